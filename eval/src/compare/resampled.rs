//! What a bootstrap over images needs of a run.

/// A number of one run that can be had of any multiset of images.
pub(crate) trait Resampled: Sync {
    /// Working space, worth keeping from draw to draw.
    type Scratch: Default;

    /// The number of the images, each taken as often as its weight says; `None` where it is undefined.
    fn value(&self, weights: &[u32], scratch: &mut Self::Scratch) -> Option<f64>;
}
