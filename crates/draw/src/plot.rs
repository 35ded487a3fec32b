//! Small line plots as SVG: training curves by step, say the norms and the effective learning rates of layers (Figs. 2
//! and 3 of the weight-rescaling paper).
//!
//! No fonts are embedded and no scripts run; each line carries its name as a title, which viewers show under the
//! pointer.  The same panels give the same bytes.

mod axis;
mod svg;

use crate::colour::line_colour;

use axis::{Axis, Tick};
use svg::{Anchor, INK, Svg};

/// How values are laid along the y axis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scale {
    /// In proportion.
    #[default]
    Linear,
    /// By their decimal logarithm; values of 0 and below have no place.
    Log10,
}

/// One line of a plot.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Steps and values, in the order they are joined.  A number that is not finite (or beyond 1e300), or that the scale
    /// cannot hold, is a gap; a point between two gaps is drawn as a dot.
    pub points: Vec<(f64, f64)>,
}

/// One plot.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Panel {
    /// The heading.
    pub title: String,
    /// What the steps are.
    pub x_label: String,
    /// What the values are.
    pub y_label: String,
    /// How the values are laid out; steps are laid out in proportion.
    pub y_scale: Scale,
    /// The lines, the last on top.
    pub series: Vec<Series>,
}

/// The area of a plot, pixels.
const AREA: (f64, f64) = (360.0, 230.0);
/// Pixels around it: left for the values' labels, top for the title, bottom for the steps' labels.
const LEFT: f64 = 72.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 58.0;
/// One line of a legend.
const ROW: f64 = 15.0;
/// Sizes of letters.
const TITLE_PX: f64 = 14.0;
const LABEL_PX: f64 = 12.0;
const SMALL_PX: f64 = 11.0;
/// The length of a line's sample in the legend, and the gap behind it.
const SAMPLE: f64 = 18.0;
const SAMPLE_GAP: f64 = 5.0;
/// The width of a letter of a legend, a little over that of common sans-serif fonts.
const LETTER: f64 = 0.6 * SMALL_PX;
/// The gap between columns of a legend.
const COLUMN_GAP: f64 = 12.0;
/// The part of a range that is left free above and below the lines.
const Y_PADDING: f64 = 0.04;
/// More lines than this are drawn thin.
const THICK_LINES: usize = 8;
const GRID: &str = "#ddd";

/// Draws panels side by side, each with its legend below; no panels give an empty drawing.
pub fn plot_svg(panels: &[Panel]) -> String {
    let width = LEFT + AREA.0 + RIGHT;
    let legend_rows = panels.iter().map(|panel| panel.series.len().div_ceil(columns(panel))).max().unwrap_or(0);
    let height = if panels.is_empty() { 0.0 } else { TOP + AREA.1 + BOTTOM + ROW * legend_rows as f64 };
    let mut svg = Svg::new(width * panels.len() as f64, height);
    for (index, panel) in panels.iter().enumerate() {
        svg.open_group("panel", width * index as f64, 0.0);
        draw_panel(&mut svg, panel);
        svg.close_group();
    }
    svg.finish()
}

/// Draws one panel with its top left corner at the origin.
fn draw_panel(svg: &mut Svg, panel: &Panel) {
    let (wide, high) = AREA;
    let middle = LEFT + wide / 2.0;
    svg.text("title", (middle, TOP - 14.0), TITLE_PX, Anchor::Middle, &panel.title);
    svg.text("x-label", (middle, TOP + high + 38.0), LABEL_PX, Anchor::Middle, &panel.x_label);
    svg.upright_text("y-label", (14.0, TOP + high / 2.0), LABEL_PX, &panel.y_label);

    let drawn = || panel.series.iter().flat_map(|series| &series.points).filter(|point| is_drawn(panel, point));
    let x_axis = Axis::new(drawn().map(|&(step, _)| step), Scale::Linear, 0.0);
    let y_axis = Axis::new(drawn().map(|&(_, value)| value), panel.y_scale, Y_PADDING);
    if let (Some(x_axis), Some(y_axis)) = (x_axis, y_axis) {
        draw_grid(svg, &x_axis.ticks(), &y_axis.ticks());
        for (index, series) in panel.series.iter().enumerate() {
            let place = |&(step, value): &(f64, f64)| (at_x(x_axis.share(step)), at_y(y_axis.share(value)));
            let runs = series.points.split(|point| !is_drawn(panel, point)).filter(|run| !run.is_empty());
            let runs: Vec<Vec<(f64, f64)>> = runs.map(|run| run.iter().map(place).collect()).collect();
            svg.line(&series.name, &line_colour(index, panel.series.len()), thickness(panel), &runs);
        }
    } else {
        svg.text("note", (middle, TOP + high / 2.0), LABEL_PX, Anchor::Middle, "no data");
    }
    svg.frame((LEFT, TOP), AREA, INK);
    draw_legend(svg, panel);
}

fn is_drawn(panel: &Panel, &(step, value): &(f64, f64)) -> bool {
    Scale::Linear.holds(step) && panel.y_scale.holds(value)
}

fn thickness(panel: &Panel) -> f64 {
    if panel.series.len() > THICK_LINES { 0.8 } else { 1.6 }
}

fn at_x(share: f64) -> f64 {
    LEFT + share * AREA.0
}

fn at_y(share: f64) -> f64 {
    TOP + (1.0 - share) * AREA.1
}

fn draw_grid(svg: &mut Svg, x_ticks: &[Tick], y_ticks: &[Tick]) {
    let (left, bottom) = (LEFT, TOP + AREA.1);
    for tick in x_ticks {
        let x = at_x(tick.share);
        svg.segment((x, TOP), (x, bottom), GRID, 1.0);
        svg.text("x-tick", (x, bottom + 16.0), SMALL_PX, Anchor::Middle, &tick.label);
    }
    for tick in y_ticks {
        let y = at_y(tick.share);
        svg.segment((left, y), (left + AREA.0, y), GRID, 1.0);
        svg.text("y-tick", (left - 6.0, y + 4.0), SMALL_PX, Anchor::End, &tick.label);
    }
}

/// How many columns of the longest name fit below the area; at least one.
fn columns(panel: &Panel) -> usize {
    ((AREA.0 + COLUMN_GAP) / column_width(panel)).floor().max(1.0) as usize
}

fn column_width(panel: &Panel) -> f64 {
    let longest = panel.series.iter().map(|series| series.name.chars().count()).max().unwrap_or(0);
    SAMPLE + SAMPLE_GAP + LETTER * longest as f64 + COLUMN_GAP
}

/// Lists the lines below the area, column by column.
fn draw_legend(svg: &mut Svg, panel: &Panel) {
    let rows = panel.series.len().div_ceil(columns(panel));
    for (index, series) in panel.series.iter().enumerate() {
        let x = LEFT + column_width(panel) * (index / rows) as f64;
        let y = TOP + AREA.1 + BOTTOM + ROW * (index % rows) as f64;
        let colour = line_colour(index, panel.series.len());
        svg.segment((x, y), (x + SAMPLE, y), &colour, thickness(panel).max(1.6));
        svg.text("legend", (x + SAMPLE + SAMPLE_GAP, y + 4.0), SMALL_PX, Anchor::Start, &series.name);
    }
}
