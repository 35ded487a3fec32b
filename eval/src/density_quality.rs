//! How like a predicted density map is to one that is drawn from the points: PSNR and SSIM.
//!
//! Figures of different repositories do not compare: CSRNet's are of maps that are resized and normalised, NWPU's SSIM is of
//! blocks that do not overlap.  These are the textbook's, and no count comes from a map that is drawn here.

mod from_points;
mod resize;
mod ssim;

pub use from_points::{KernelWidth, PointFault, density_of_points};
pub use resize::resize_density;
pub use ssim::ssim;

use crate::density_grid::{DensityGrid, GridError};

/// The peak signal-to-noise ratio in decibels, `20 log10(max(truth) / sqrt(mse))`; `None` where it is undefined: of a truth
/// without a positive density, and of a prediction that is the truth.
///
/// # Errors
/// [`GridError::Sizes`].
pub fn psnr(truth: &DensityGrid<'_>, predicted: &DensityGrid<'_>) -> Result<Option<f64>, GridError> {
    truth.require_size_of(predicted)?;
    let square = |(&truth, &predicted): (&f32, &f32)| (f64::from(truth) - f64::from(predicted)).powi(2);
    let squares: f64 = truth.cells().iter().zip(predicted.cells()).map(square).sum();
    let (peak, mse) = (truth.peak(), squares / truth.cells().len() as f64);
    Ok((peak > 0.0 && mse > 0.0).then(|| 20.0 * (peak / mse.sqrt()).log10()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn psnr_worked_by_hand() {
        let grid = |cells| DensityGrid::new(2, 2, cells).unwrap();
        // Peak 4; squares 1, 0, 0, 1: mse 1/2, so 20 log10(4 sqrt 2) = 10 log10(32).
        let truth = grid(&[4.0, 1.0, 0.0, 2.0]);
        let got = psnr(&truth, &grid(&[3.0, 1.0, 0.0, 3.0])).unwrap().unwrap();
        assert!((got - 10.0 * 32.0_f64.log10()).abs() < 1e-12, "{got}");
        assert_eq!(psnr(&truth, &truth), Ok(None));
        assert_eq!(psnr(&grid(&[0.0; 4]), &truth), Ok(None));
        assert_eq!(psnr(&DensityGrid::new(0, 0, &[]).unwrap(), &DensityGrid::new(0, 0, &[]).unwrap()), Ok(None));
        let text = psnr(&truth, &DensityGrid::new(1, 4, &[0.0; 4]).unwrap()).unwrap_err().to_string();
        assert_eq!(text, "expected a density map of 2x2 cells as the truth, got 1x4");
    }
}
