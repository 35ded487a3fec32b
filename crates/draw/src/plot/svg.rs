//! The few elements of SVG that a plot is made of, written with two decimals.

use std::fmt::Write;

/// The colour of letters and frames.
pub(super) const INK: &str = "#222";

/// Where a text is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// A drawing under way.  Writing to a string cannot fail, so results of `write!` are dropped throughout.
pub(super) struct Svg {
    text: String,
}

impl Svg {
    /// A white page.
    pub fn new(width: f64, height: f64) -> Self {
        let mut text = String::new();
        let _ = writeln!(
            text,
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0}" height="{height:.0}" viewBox="0 0 {width:.0} {height:.0}" font-family="sans-serif">"#
        );
        let _ = writeln!(text, r#"<rect width="{width:.0}" height="{height:.0}" fill="white"/>"#);
        Self { text }
    }

    pub fn open_group(&mut self, class: &str, x: f64, y: f64) {
        let _ = writeln!(self.text, r#"<g class="{class}" transform="translate({x:.2} {y:.2})">"#);
    }

    pub fn close_group(&mut self) {
        self.text.push_str("</g>\n");
    }

    pub fn text(&mut self, class: &str, (x, y): (f64, f64), size: f64, anchor: Anchor, words: &str) {
        let (anchor, words) = (anchor.name(), escaped(words));
        let _ = writeln!(
            self.text,
            r#"<text class="{class}" x="{x:.2}" y="{y:.2}" font-size="{size:.0}" text-anchor="{anchor}" fill="{INK}">{words}</text>"#
        );
    }

    /// A text that reads upwards, centred at a point.
    pub fn upright_text(&mut self, class: &str, (x, y): (f64, f64), size: f64, words: &str) {
        let words = escaped(words);
        let _ = writeln!(
            self.text,
            r#"<text class="{class}" transform="translate({x:.2} {y:.2}) rotate(-90)" font-size="{size:.0}" text-anchor="middle" fill="{INK}">{words}</text>"#
        );
    }

    pub fn segment(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), colour: &str, thickness: f64) {
        let _ = writeln!(
            self.text,
            r#"<path d="M{x1:.2} {y1:.2}L{x2:.2} {y2:.2}" stroke="{colour}" stroke-width="{thickness:.1}" fill="none"/>"#
        );
    }

    pub fn frame(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), colour: &str) {
        let _ = writeln!(
            self.text,
            r#"<rect x="{x:.2}" y="{y:.2}" width="{width:.2}" height="{height:.2}" stroke="{colour}" fill="none"/>"#
        );
    }

    /// One line of a plot: each run of points joined, a run of one point as a dot.
    pub fn line(&mut self, name: &str, colour: &str, thickness: f64, runs: &[Vec<(f64, f64)>]) {
        let name = escaped(name);
        let _ =
            writeln!(self.text, r#"<g class="series" fill="none" stroke="{colour}" stroke-width="{thickness:.1}">"#);
        let _ = writeln!(self.text, "<title>{name}</title>");
        for run in runs {
            if let [(x, y)] = run[..] {
                let _ = writeln!(
                    self.text,
                    r#"<circle cx="{x:.2}" cy="{y:.2}" r="{thickness:.1}" fill="{colour}" stroke="none"/>"#
                );
                continue;
            }
            self.text.push_str(r#"<path stroke-linejoin="round" d=""#);
            for (index, (x, y)) in run.iter().enumerate() {
                let _ = write!(self.text, "{}{x:.2} {y:.2}", if index == 0 { "M" } else { "L" });
            }
            self.text.push_str("\"/>\n");
        }
        self.close_group();
    }

    pub fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }
}

/// Text that XML takes as text; characters that XML cannot hold become U+FFFD.
fn escaped(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    for character in words.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\u{FFFE}' | '\u{FFFF}' => out.push(char::REPLACEMENT_CHARACTER),
            '\t' | '\n' => out.push(character),
            control if control.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            other => out.push(other),
        }
    }
    out
}
