//! One training sample: mosaic or letterbox, then affine, HSV and flip.

use crate::augment::{Affine, AffineGains, Draw, Enlarge, HsvGains, HsvTables, Letterbox, flip_left_right, mosaic};
use crate::boxes::{BoxXyxy, LabelBox, PixelBox};
use crate::detection::TrainingSet;
use crate::error::DataError;
use crate::image::{ImageRgb8, ImageSize, ResizeFilter, long_side_size, resize};

/// A picture with boxes in its own pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledImage {
    /// The picture.
    pub image: ImageRgb8,
    /// Its boxes.
    pub boxes: Vec<PixelBox>,
    /// The id in the json.
    pub image_id: u64,
}

impl LabelledImage {
    /// Resizes picture and boxes.
    ///
    /// # Errors
    /// [`DataError::Resize`].
    pub fn resized(&self, to: ImageSize, filter: ResizeFilter) -> Result<Self, DataError> {
        let image = resize(&self.image, to, filter)?;
        let fit = Letterbox::stretch(self.image.size, to);
        let moved = |labelled: &PixelBox| PixelBox { xyxy: fit.input_from_image(labelled.xyxy), ..*labelled };
        Ok(Self { image, boxes: self.boxes.iter().map(moved).collect(), image_id: self.image_id })
    }
}

/// What the network trains on.
///
/// # Shapes
/// `image`: `[size, size, 3]`, 8 bits; `boxes`: fractions of its sides.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The picture.
    pub image: ImageRgb8,
    /// Its boxes.
    pub boxes: Vec<LabelBox>,
    /// The json ids of the pictures it was made of, the sample's own first.
    pub image_ids: Vec<u64>,
}

/// Where samples come from.
pub trait LoadImage {
    /// How many there are.
    fn count(&self) -> usize;

    /// The picture and boxes at `index`.
    ///
    /// # Errors
    /// [`DataError`] where the picture cannot be read.
    fn load(&self, index: usize) -> Result<LabelledImage, DataError>;
}

impl LoadImage for TrainingSet {
    fn count(&self) -> usize {
        self.images.len()
    }

    fn load(&self, index: usize) -> Result<LabelledImage, DataError> {
        let record = self.images.get(index).ok_or_else(|| DataError::Option {
            option: "sample index",
            expected: format!("below {}", self.images.len()),
            got: index.to_string(),
        })?;
        let image = record.read()?.image;
        Ok(LabelledImage { image, boxes: record.boxes.clone(), image_id: record.image_id })
    }
}

/// How samples are made of pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Augment {
    /// Side of the samples in pixels.
    pub size: usize,
    /// Share of samples that are mosaics of four pictures; the others are letterboxed. The paper's recipe has 1.
    pub mosaic: f64,
    /// Rotation, translation, scale, shear.
    pub affine: AffineGains,
    /// Colour jitter.
    pub hsv: HsvGains,
    /// Share of samples mirrored left to right.
    pub flip_left_right: f64,
}

impl Augment {
    /// The sample of a draw.
    ///
    /// # Errors
    /// [`DataError`] where one of its pictures cannot be read.
    pub fn sample(&self, source: &impl LoadImage, draw: Draw) -> Result<Sample, DataError> {
        let input = ImageSize::square(self.size);
        let (canvas, boxes, image_ids) = if draw.rng("mosaic or not").chance(self.mosaic) {
            self.mosaic_of(source, draw)?
        } else {
            self.letterbox_of(source, draw)?
        };
        let affine = Affine::draw(canvas.size, input, &self.affine, &mut draw.rng("affine"));
        let boxes = affine.apply_boxes(&boxes);
        let mut sample = LabelledImage { image: affine.apply(&canvas), boxes, image_id: 0 };
        if let Some(tables) = HsvTables::draw(self.hsv, &mut draw.rng("hsv")) {
            tables.apply(&mut sample.image);
        }
        if draw.rng("flip").chance(self.flip_left_right) {
            flip_left_right(&mut sample);
        }
        let boxes = sample.boxes.iter().map(|labelled| labelled.normalised(self.size, self.size)).collect();
        Ok(Sample { image: sample.image, boxes, image_ids })
    }

    fn mosaic_of(&self, source: &impl LoadImage, draw: Draw) -> Result<Made, DataError> {
        let mut rng = draw.rng("mosaic");
        let mut indices = [draw.index; 4];
        for index in &mut indices[1..] {
            *index = rng.below(source.count());
        }
        let part = |index: usize| -> Result<LabelledImage, DataError> {
            let loaded = source.load(index)?;
            loaded.resized(long_side_size(loaded.image.size, self.size), ResizeFilter::Bilinear)
        };
        let parts = [part(indices[0])?, part(indices[1])?, part(indices[2])?, part(indices[3])?];
        let (canvas, boxes) = mosaic(&parts, self.size, &mut rng);
        Ok((canvas, boxes, parts.iter().map(|part| part.image_id).collect()))
    }

    fn letterbox_of(&self, source: &impl LoadImage, draw: Draw) -> Result<Made, DataError> {
        let loaded = source.load(draw.index)?;
        let fit = Letterbox::fit(loaded.image.size, ImageSize::square(self.size), Enlarge::Allow);
        let canvas = fit.apply(&loaded.image, ResizeFilter::Bilinear)?;
        let moved = |labelled: &PixelBox| -> PixelBox {
            let xyxy: BoxXyxy = fit.input_from_image(labelled.xyxy);
            PixelBox { class: labelled.class, xyxy }
        };
        Ok((canvas, loaded.boxes.iter().map(moved).collect(), vec![loaded.image_id]))
    }
}

/// Canvas, boxes in its pixels, ids of its pictures.
type Made = (ImageRgb8, Vec<PixelBox>, Vec<u64>);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::loader::{Loader, epoch_order};

    /// Pictures of one colour whose only box is their middle, black.
    struct Plain(usize);

    impl LoadImage for Plain {
        fn count(&self) -> usize {
            self.0
        }

        fn load(&self, index: usize) -> Result<LabelledImage, DataError> {
            let size = ImageSize { width: 60 + index, height: 80 };
            let mut image = ImageRgb8::filled(size, [200; 3]);
            image.paste(&ImageRgb8::filled(ImageSize::square(30), [0; 3]), 20, 20);
            let xyxy = BoxXyxy { x0: 20.0, y0: 20.0, x1: 50.0, y1: 50.0 };
            Ok(LabelledImage { image, boxes: vec![PixelBox { class: 0, xyxy }], image_id: index as u64 })
        }
    }

    const PLAIN: Augment = Augment {
        size: 64,
        mosaic: 0.0,
        affine: AffineGains { degrees: 0.0, translate: 0.0, scale: 0.0, shear: 0.0 },
        hsv: HsvGains { hue: 0.0, saturation: 0.0, value: 0.0 },
        flip_left_right: 0.0,
    };

    const PAPER: Augment = Augment {
        mosaic: 1.0,
        hsv: HsvGains { hue: 0.0138, saturation: 0.678, value: 0.36 },
        flip_left_right: 0.5,
        ..PLAIN
    };

    fn draw(index: usize) -> Draw {
        Draw { seed: 1, epoch: 2, index }
    }

    #[test]
    fn without_augmentation_a_sample_is_the_letterboxed_picture() {
        let sample = PLAIN.sample(&Plain(1), draw(0)).unwrap();
        // 60 x 80 to 48 x 64 with 8 columns of grey at each side.
        assert_eq!(sample.image.at(7, 32), [114; 3]);
        assert_eq!(sample.image.at(8, 2), [200; 3]);
        assert_eq!(
            sample.boxes,
            [LabelBox { class: 0, cx: 36.0 / 64.0, cy: 28.0 / 64.0, w: 24.0 / 64.0, h: 24.0 / 64.0 }]
        );
        assert_eq!(sample.image_ids, [0]);
    }

    #[test]
    fn boxes_of_a_mosaic_lie_on_what_they_mean() {
        let augment = Augment { hsv: PLAIN.hsv, ..PAPER };
        let mut boxes = 0;
        for index in 0..20 {
            let sample = augment.sample(&Plain(20), draw(index)).unwrap();
            assert_eq!(sample.image.size, ImageSize::square(64));
            assert_eq!((sample.image_ids[0], sample.image_ids.len()), (index as u64, 4));
            for label in &sample.boxes {
                let level = sample.image.at((label.cx * 64.0) as usize, (label.cy * 64.0) as usize)[0];
                assert!(level < 20, "{label:?} {level}");
                boxes += 1;
            }
        }
        assert!(boxes > 20, "{boxes}");
    }

    #[test]
    fn a_sample_depends_on_its_draw_alone_whatever_the_workers() {
        let order = epoch_order(20, 1, 2);
        let run = |workers| -> Vec<Sample> {
            let make = Arc::new(|index: &usize| PAPER.sample(&Plain(20), draw(*index)));
            let loader = Loader::start(workers, 3, order.clone(), make).unwrap();
            loader.map(|sample| sample.unwrap()).collect()
        };
        let inline = run(0);
        assert_eq!(inline, run(1));
        assert_eq!(inline, run(4));
        let later = PAPER.sample(&Plain(20), Draw { epoch: 3, ..draw(order[0]) }).unwrap();
        assert_ne!(inline[0], later);
    }
}
