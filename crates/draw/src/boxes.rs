//! Labelled boxes on a picture.

use image::RgbImage;

use crate::colour::{class_colour, ink_on};
use crate::error::DrawError;
use crate::rect::Rect;
use crate::text::Face;

/// A box with what is written on it.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledBox {
    /// Corners `[x1, y1, x2, y2]` in pixels; may reach over the edges of the picture.
    pub bbox_xyxy: [f32; 4],
    /// One line, say `dog 0.97`; empty for a box without a label.
    pub label: String,
    /// The class index, which decides the colour.
    pub class: usize,
}

/// A line is this part of the mean of the picture's sides.
const LINE_SHARE: f32 = 1.0 / 240.0;

/// Draws boxes, the first on top, so give them best first.
///
/// Lines and letters grow with the picture.  A box over the edge is drawn as its visible part, one wholly outside
/// not at all.  Labels stay inside the picture and, where there is room around the box, off the labels of earlier
/// boxes; one wider than the picture is cut short, and left out where not one letter fits.
///
/// # Errors
/// Corners that are not finite; nothing is drawn then.
pub fn draw_boxes(picture: &mut RgbImage, boxes: &[LabelledBox]) -> Result<(), DrawError> {
    if let Some((index, labelled)) = boxes.iter().enumerate().find(|(_, b)| b.bbox_xyxy.iter().any(|v| !v.is_finite()))
    {
        let LabelledBox { bbox_xyxy, label, .. } = labelled.clone();
        return Err(DrawError::NotFinite { index, label, bbox_xyxy });
    }
    let (width, height) = picture.dimensions();
    let mean_side = f32::midpoint(width as f32, height as f32);
    let thickness = (mean_side * LINE_SHARE).round().max(1.0) as i64;
    let face = Face::for_picture(width, height)?;

    let rects = boxes.iter().map(|b| Rect::of_visible_part(b.bbox_xyxy, width, height));
    let visible: Vec<(Rect, &LabelledBox)> = rects.zip(boxes).filter_map(|(rect, b)| Some((rect?, b))).collect();
    for (rect, labelled) in visible.iter().rev() {
        rect.outline(picture, thickness, class_colour(labelled.class));
    }
    let mut labels: Vec<Label> = Vec::with_capacity(visible.len());
    for (rect, labelled) in &visible {
        labels.extend(place(&face, rect, labelled, &labels, picture));
    }
    for label in labels.iter().rev() {
        label.draw(picture, &face);
    }
    Ok(())
}

/// A label that has found its place.
struct Label {
    plate: Rect,
    padding: i64,
    text: String,
    class: usize,
}

impl Label {
    fn draw(&self, picture: &mut RgbImage, face: &Face) {
        let colour = class_colour(self.class);
        self.plate.fill(picture, colour);
        face.draw(picture, &self.text, self.plate.left + self.padding, self.plate.top, ink_on(colour));
    }
}

/// Finds a place for the label of a box: above it if there is room, else inside or below, off the `taken` ones.
fn place(face: &Face, rect: &Rect, labelled: &LabelledBox, taken: &[Label], picture: &RgbImage) -> Option<Label> {
    if labelled.label.is_empty() {
        return None;
    }
    let (width, height) = (i64::from(picture.width()), i64::from(picture.height()));
    let padding = (face.height() / 5).max(1);
    let text = face.fit(&labelled.label, width - 2 * padding)?;
    let size = (face.width(&text) + 2 * padding, face.height());
    let right_aligned = rect.right - size.0;
    let corners = [
        (rect.left, rect.top - size.1),
        (rect.left, rect.top),
        (right_aligned, rect.top - size.1),
        (rect.left, rect.bottom),
        (rect.left, rect.bottom - size.1),
        (right_aligned, rect.top),
        (right_aligned, rect.bottom),
    ];
    let inside = corners.iter().map(|&(left, top)| Rect::at(left.min(width - size.0).max(0), top, size));
    let inside: Vec<Rect> = inside.filter(|plate| plate.top >= 0 && plate.bottom <= height).collect();
    let free = inside.iter().find(|plate| !taken.iter().any(|other| other.plate.overlaps(plate)));
    let plate = *free.or(inside.first())?;
    Some(Label { plate, padding, text, class: labelled.class })
}
