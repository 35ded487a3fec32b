//! Plots as the XML that a viewer reads: what is where, what is a gap, and that nothing breaks the document.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use wrs_draw::{Panel, Scale, Series, plot_svg};

/// An element with its attributes, its parent's class and the text in it.
#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    parent: String,
    text: String,
}

impl Element {
    fn get(&self, key: &str) -> &str {
        self.attributes.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value)
    }

    fn number(&self, key: &str) -> f64 {
        self.get(key).parse().unwrap()
    }
}

fn element(start: &BytesStart<'_>, open: &[usize], elements: &[Element]) -> Element {
    let attribute = |attribute: Result<quick_xml::events::attributes::Attribute<'_>, _>| {
        let attribute = attribute.unwrap();
        let key = String::from_utf8(attribute.key.as_ref().to_vec()).unwrap();
        (
            key,
            attribute
                .decoded_and_normalized_value(quick_xml::XmlVersion::Explicit1_0, start.decoder())
                .unwrap()
                .into_owned(),
        )
    };
    Element {
        name: String::from_utf8(start.name().as_ref().to_vec()).unwrap(),
        attributes: start.attributes().map(attribute).collect(),
        parent: open.last().map(|&at| elements[at].get("class").to_owned()).unwrap_or_default(),
        text: String::new(),
    }
}

/// Every element, in the order of the document; fails on what is not well-formed.
fn parse(svg: &str) -> Vec<Element> {
    let mut reader = Reader::from_str(svg);
    reader.config_mut().check_end_names = true;
    let (mut elements, mut open): (Vec<Element>, Vec<usize>) = (Vec::new(), Vec::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                elements.push(element(&start, &open, &elements));
                open.push(elements.len() - 1);
            }
            Event::Empty(start) => elements.push(element(&start, &open, &elements)),
            Event::End(_) => {
                open.pop().unwrap();
            }
            Event::Text(text) => {
                let text = text.decode().unwrap();
                match open.last() {
                    Some(&at) => elements[at].text.push_str(&text),
                    None => assert!(text.trim().is_empty(), "text outside: {text}"),
                }
            }
            Event::GeneralRef(reference) => {
                let character = match reference.decode().unwrap().as_ref() {
                    "amp" => '&',
                    "lt" => '<',
                    "gt" => '>',
                    other => panic!("reference &{other};"),
                };
                elements[*open.last().unwrap()].text.push(character);
            }
            Event::Eof => break,
            other => panic!("unexpected {other:?}"),
        }
    }
    assert!(open.is_empty());
    elements
}

fn texts<'a>(elements: &'a [Element], class: &str) -> Vec<&'a str> {
    elements.iter().filter(|e| e.name == "text" && e.get("class") == class).map(|e| e.text.as_str()).collect()
}

/// The points of a path's data.
fn points(path: &Element) -> Vec<(f64, f64)> {
    let point = |pair: &str| {
        let (x, y) = pair.split_once(' ').unwrap();
        (x.parse().unwrap(), y.parse().unwrap())
    };
    path.get("d").strip_prefix('M').unwrap().split('L').map(point).collect()
}

/// The pieces of the lines: paths of points and dots.
fn pieces(elements: &[Element]) -> Vec<Vec<(f64, f64)>> {
    let piece = |e: &Element| match e.name.as_str() {
        "path" => points(e),
        _ => vec![(e.number("cx"), e.number("cy"))],
    };
    elements.iter().filter(|e| e.parent == "series" && e.name != "title").map(piece).collect()
}

fn series(name: &str, points: &[(f64, f64)]) -> Series {
    Series { name: name.to_owned(), points: points.to_vec() }
}

fn panel(y_scale: Scale, series: Vec<Series>) -> Panel {
    Panel { title: "norms".to_owned(), x_label: "step".to_owned(), y_label: "l2".to_owned(), y_scale, series }
}

/// The frame of the first panel: left, top, width, height.
fn frame(elements: &[Element]) -> [f64; 4] {
    let frame = elements.iter().find(|e| e.name == "rect" && e.parent == "panel").unwrap();
    ["x", "y", "width", "height"].map(|key| frame.number(key))
}

#[test]
fn points_fall_where_the_scales_put_them() {
    // The range 0 to 10 has 4 % of room above and below: 0 lies at .4 / 10.8 of the height.
    let elements =
        parse(&plot_svg(&[panel(Scale::Linear, vec![series("a", &[(0.0, 0.0), (50.0, 5.0), (200.0, 10.0)])])]));
    let [left, top, width, height] = frame(&elements);
    let expected = [(0.0, 0.4 / 10.8), (0.25, 0.5), (1.0, 10.4 / 10.8)];
    let line = &pieces(&elements)[0];
    assert_eq!(line.len(), 3);
    for (&(x, y), (share_x, share_y)) in line.iter().zip(expected) {
        assert!((x - (left + share_x * width)).abs() < 0.006, "{x}");
        assert!((y - (top + (1.0 - share_y) * height)).abs() < 0.006, "{y}");
    }
    assert_eq!(texts(&elements, "x-tick"), ["0", "50", "100", "150", "200"]);
    assert_eq!(texts(&elements, "y-tick"), ["0", "5", "10"]);
    for class in ["title", "x-label", "y-label", "legend"] {
        assert_eq!(texts(&elements, class).len(), 1, "{class}");
    }
}

#[test]
fn a_logarithmic_axis_spaces_powers_evenly() {
    let decades = [(0.0, 1e-6), (1.0, 1e-5), (2.0, 1e-4), (3.0, 1e-3)];
    let elements = parse(&plot_svg(&[panel(Scale::Log10, vec![series("a", &decades)])]));
    let line = &pieces(&elements)[0];
    let steps: Vec<f64> = line.windows(2).map(|pair| pair[0].1 - pair[1].1).collect();
    assert!(steps.iter().all(|step| (step - steps[0]).abs() < 0.02 && *step > 0.0), "{steps:?}");
    assert_eq!(texts(&elements, "y-tick"), ["1e-6", "1e-5", "1e-4", "1e-3"]);
    // A tick's label stands at its point, 4 pixels down for the middle of the letters.
    let ticks = elements.iter().filter(|e| e.get("class") == "y-tick");
    assert!(ticks.zip(line).all(|(tick, point)| (tick.number("y") - 4.0 - point.1).abs() < 0.02));
}

#[test]
fn what_cannot_be_drawn_is_a_gap() {
    let nan = f64::NAN;
    let broken = [
        (0.0, 1.0),
        (1.0, 2.0),
        (2.0, nan),
        (3.0, 3.0),
        (4.0, f64::INFINITY),
        (5.0, 2.0),
        (nan, 1.0),
        (7.0, 1.0),
        (8.0, 2.0),
    ];
    let lengths = |scale, points: &[(f64, f64)]| -> Vec<usize> {
        pieces(&parse(&plot_svg(&[panel(scale, vec![series("a", points)])]))).iter().map(Vec::len).collect()
    };
    assert_eq!(lengths(Scale::Linear, &broken), [2, 1, 1, 2]);
    let signs = [(0.0, 1.0), (1.0, 2.0), (2.0, 0.0), (3.0, 4.0), (4.0, -1.0), (5.0, 2.0), (6.0, 3.0)];
    assert_eq!(lengths(Scale::Log10, &signs), [2, 1, 2]);
    assert_eq!(lengths(Scale::Linear, &signs), [7]);
    for nothing in [&[][..], &[(0.0, nan)]] {
        let elements = parse(&plot_svg(&[panel(Scale::Linear, vec![series("a", nothing)])]));
        assert_eq!((texts(&elements, "note"), pieces(&elements).len()), (vec!["no data"], 0));
    }
}

#[test]
fn panels_stand_side_by_side_and_name_their_lines() {
    let names: Vec<String> = (0..75).map(|layer| format!("layer {layer}")).collect();
    let lines = |names: &[String]| names.iter().map(|name| series(name, &[(0.0, 1.0), (1.0, 2.0)])).collect();
    let two = [panel(Scale::Linear, lines(&names)), panel(Scale::Log10, lines(&names[..2]))];
    let svg = plot_svg(&two);
    let elements = parse(&svg);
    assert_eq!(elements[0].name, "svg");
    let groups: Vec<&str> = elements.iter().filter(|e| e.get("class") == "panel").map(|e| e.get("transform")).collect();
    assert_eq!(groups, ["translate(0.00 0.00)", "translate(450.00 0.00)"]);
    assert!((elements[0].number("width") - 900.0).abs() < 1e-9);
    let legend = texts(&elements, "legend");
    assert_eq!(legend[..75], names);
    assert_eq!(legend[75..], names[..2]);
    let titles = elements.iter().filter(|e| e.name == "title" && e.parent == "series").count();
    assert_eq!((titles, pieces(&elements).len()), (77, 77));
    // Every row of the legend lies on the page, and no two names at one place.
    let height = elements[0].number("height");
    let mut places: Vec<(&str, &str)> =
        elements.iter().filter(|e| e.get("class") == "legend").take(75).map(|e| (e.get("x"), e.get("y"))).collect();
    assert!(places.iter().all(|(_, y)| y.parse::<f64>().unwrap() < height));
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), 75);
    assert_eq!(plot_svg(&two), svg);
    assert_eq!(parse(&plot_svg(&[])).len(), 2);
}

#[test]
fn texts_cannot_break_the_document() {
    let hostile = "</text><script>&amp; \"'\u{0}\u{1b}\u{FFFE} ‖w‖²";
    let mut panel = panel(Scale::Linear, vec![series(hostile, &[(0.0, 1.0)])]);
    panel.title = hostile.to_owned();
    panel.x_label = hostile.to_owned();
    panel.y_label = hostile.to_owned();
    let elements = parse(&plot_svg(&[panel]));
    let shown = "</text><script>&amp; \"'\u{FFFD}\u{FFFD}\u{FFFD} ‖w‖²";
    for class in ["title", "x-label", "y-label", "legend"] {
        assert_eq!(texts(&elements, class), [shown]);
    }
    assert!(elements.iter().all(|e| e.name != "script"));
}

proptest! {
    #[test]
    fn any_panel_is_a_document(
        names in prop::collection::vec(any::<String>(), 0..5),
        values in prop::collection::vec((any::<f64>(), any::<f64>()), 0..30),
        logarithmic in any::<bool>(),
    ) {
        let scale = if logarithmic { Scale::Log10 } else { Scale::Linear };
        let lines: Vec<Series> = names.iter().map(|name| series(name, &values)).collect();
        let elements = parse(&plot_svg(&[panel(scale, lines)]));
        let [left, top, width, height] = frame(&elements);
        for (x, y) in pieces(&elements).into_iter().flatten() {
            prop_assert!((left - 0.01..=left + width + 0.01).contains(&x), "{}", x);
            prop_assert!((top - 0.01..=top + height + 0.01).contains(&y), "{}", y);
        }
        let drawable = |&&(step, value): &&(f64, f64)| {
            step.abs() <= 1e300 && value.abs() <= 1e300 && (!logarithmic || value >= 1e-290)
        };
        let expected = names.len() * values.iter().filter(drawable).count();
        prop_assert_eq!(pieces(&elements).iter().map(Vec::len).sum::<usize>(), expected);
    }
}
