//! How many there are, and how wrong that is.
//!
//! Legend: `H W` pixels of the picture as the network sees it, `h w` cells of its density.  The protocol is the crowd
//! literature's: each picture whole, alone, brought to the size that the recipe says, its count the plain sum of the density;
//! the truth is the number of annotated points.

use std::path::Path;
use std::sync::Arc;

use wrs_datasets::augment::InputSettings;
use wrs_datasets::augment::counting::{Rescaled, ShorterSide};
use wrs_datasets::counting::{CountingDataset, CountingRecord, PointXy};
use wrs_datasets::image::read_image;
use wrs_datasets::loader::Loader;
use wrs_datasets::{DataError, ImageRgb8};
use wrs_eval::{Buckets, CountMetrics, DensityGrid, ImageCount};
use wrs_nn::{Dims, InputGradient, Params, Pass};
use wrs_ops::conv::Algorithms;
use wrs_ops::scratch;

use crate::error::CountingError;
use crate::model::CsrNet;
use crate::net::{ModelConfig, STRIDE};
use crate::recipe::EvaluationSettings;
use crate::sample::require_points;
use crate::tile::{DensityMap, TilePlan, Tiling, density_map};

/// Pictures that may wait for the network, where memory is not bounded.
const AHEAD: usize = 2;

/// Bytes of the program itself, its stacks and its threads.
const PROGRAM: usize = 32 << 20;

/// Times that a picture lies in memory while it is decoded and resized.
const PICTURES: usize = 3;

/// A network that counts.
#[derive(Clone, Copy, Debug)]
pub struct Counter<'a> {
    /// What it is made of.
    pub model: &'a ModelConfig,
    /// Its layers.
    pub net: &'a CsrNet,
    /// Its numbers.
    pub params: &'a Params,
    /// How bytes become its input.
    pub input: &'a InputSettings,
    /// The size that pictures are brought to.
    pub resize: Option<&'a ShorterSide>,
    /// Which kernels.
    pub algorithms: Algorithms,
}

/// What a network finds in a picture.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Expected objects in each cell of the picture as the network saw it.
    pub density: DensityMap,
    /// Their sum.
    pub count: f64,
    /// How many tiles it was looked at in.
    pub tiles: usize,
}

impl Counter<'_> {
    /// Counts a picture of the size that [`Self::seen`] gives.
    ///
    /// # Errors
    /// [`CountingError::Train`] when the network refuses; [`CountingError::Grid`] for densities that are not finite, which a
    /// broken network gives; [`CountingError::TileMemory`] when the settings' memory does not hold the
    /// smallest tile.
    pub fn count(&self, seen: &ImageRgb8, settings: &EvaluationSettings) -> Result<Counted, CountingError> {
        let tiling = Tiling {
            halo_px: self.model.halo_px(),
            bytes_per_pixel: self.model.bytes_per_pixel(),
            memory: settings.max_mem.map(|mib| self.memory_for_tiles(mib << 20, seen)),
        };
        let plan = TilePlan::new(seen.size, settings.padding, &tiling)?;
        if settings.max_mem.is_some() {
            // The last picture's buffers have other sizes, and those of tiles at the edges.
            scratch::keep_little();
        }
        let density = density_map(&plan, |tile| {
            let pixels = plan.input(tile, seen, |window| self.input.pixels([window]));
            let size = tile.size();
            let dims = Dims { n: 1, h: size.height, w: size.width, c: 3 };
            let mut pass = Pass::eval(self.params, self.algorithms);
            let x = pass.input(dims, pixels.into(), InputGradient::Skipped);
            let raw = self.net.forward(&mut pass, &x)?;
            Ok(self.net.density(&raw))
        })?;
        let count = grid(&density)?.count();
        Ok(Counted { count, density, tiles: plan.count() })
    }

    /// What is left of so many bytes beside the program, the network's numbers, as they are and as its kernels pack them, and
    /// the picture, as it was decoded and as it is seen.
    fn memory_for_tiles(&self, bytes: u64, seen: &ImageRgb8) -> u64 {
        let numbers = (self.params.trainable().len() + self.params.statistics().len()) * size_of::<f32>();
        let held = PROGRAM + 2 * numbers + PICTURES * seen.pixels.len();
        bytes.saturating_sub(held as u64)
    }

    /// A picture and its points as the network sees them.
    ///
    /// # Errors
    /// [`DataError::Resize`].
    pub fn seen(&self, image: ImageRgb8, points: &[PointXy]) -> Result<Seen, DataError> {
        seen(self.resize, image, points)
    }
}

/// A picture as the network sees it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The picture, resized where the recipe says so.
    pub image: ImageRgb8,
    /// Its points, in its pixels.
    pub points: Vec<PointXy>,
}

fn seen(resize: Option<&ShorterSide>, image: ImageRgb8, points: &[PointXy]) -> Result<Seen, DataError> {
    let Some(resize) = resize else { return Ok(Seen { image, points: points.to_vec() }) };
    let Rescaled { image, points, .. } = resize.apply(image, points)?;
    Ok(Seen { image, points })
}

/// An evaluation and what it was made of.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// MAE and the rest.
    pub metrics: CountMetrics,
    /// Picture by picture, in the order of the set.
    pub by_image: Vec<ImageCount>,
    /// Most tiles that a picture was looked at in.
    pub tiles: usize,
}

/// Runs a network over a split and compares its counts with the points.
///
/// # Errors
/// [`CountingError::Loader`] for a picture that cannot be read; [`CountingError::Usage`] for one without annotation;
/// [`CountingError::Grid`] for densities that are not finite.
pub fn evaluate(
    counter: Counter<'_>,
    data: &CountingDataset,
    settings: &EvaluationSettings,
    buckets: &Buckets,
    workers: usize,
) -> Result<Evaluation, CountingError> {
    require_points(data)?;
    let resize = counter.resize.copied();
    let make = Arc::new(move |record: &CountingRecord| {
        let points = record.points.as_deref().unwrap_or_default();
        seen(resize.as_ref(), record.read_image()?, points)
    });
    // Where memory is bounded, no picture waits beside the one that is looked at.
    let (workers, ahead) = if settings.max_mem.is_some() { (0, 0) } else { (workers, workers + AHEAD) };
    let pictures = Loader::start(workers, ahead, data.images.clone(), make)?;
    let (mut by_image, mut tiles) = (Vec::with_capacity(data.images.len()), 0);
    for (picture, record) in pictures.zip(&data.images) {
        let Seen { image, points } = picture?;
        let counted = counter.count(&image, settings)?;
        let points: Vec<(f64, f64)> = points.iter().map(|point| (point.x, point.y)).collect();
        let groups = record.attributes.clone();
        by_image.push(ImageCount { groups, ..ImageCount::of(&record.id, &grid(&counted.density)?, &points, STRIDE) });
        tiles = tiles.max(counted.tiles);
    }
    let metrics = CountMetrics::of(&by_image, buckets)?;
    Ok(Evaluation { metrics, by_image, tiles })
}

fn grid(density: &DensityMap) -> Result<DensityGrid<'_>, CountingError> {
    Ok(DensityGrid::new(density.height, density.width, &density.cells)?)
}

/// Reads a picture of any format, upright, and counts.
///
/// # Errors
/// [`CountingError::Data`] when it cannot be read.
pub fn count_file(
    counter: Counter<'_>,
    path: &Path,
    settings: &EvaluationSettings,
) -> Result<(ImageRgb8, Counted), CountingError> {
    let picture = read_image(path, None)?.image;
    let seen = counter.seen(picture, &[])?;
    let counted = counter.count(&seen.image, settings)?;
    Ok((seen.image, counted))
}
