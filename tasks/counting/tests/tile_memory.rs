//! What counting with `--max-mem` takes, alone in its process: the peak is the process's.

#![allow(clippy::unwrap_used)] // tests

mod tiled;

use std::hint::black_box;

use tiled::{INPUT, Network, config, picture};
use wrs_counting::evaluate::Counter;
use wrs_counting::net::Backend;
use wrs_counting::recipe::EvaluationSettings;
use wrs_counting::tile::Padding;
use wrs_datasets::ImageSize;
use wrs_ops::conv::Algorithms;
use wrs_train::memory::peak_resident;

/// Tiles in the middle and at the edges differ in size, so that buffers of one do not serve all.
#[test]
fn a_picture_is_counted_in_the_memory_that_the_program_may_take() {
    let model = config(Backend::B, 0.25);
    let network = Network::new(&model);
    let counter = Counter {
        model: &model,
        net: &network.net,
        params: &network.params,
        input: &INPUT,
        resize: None,
        algorithms: Algorithms::Fast,
    };
    let image = picture(ImageSize { width: 3000, height: 2000 });
    // A picture that is decoded and resized is there in three forms for a while.
    let others = [image.clone(), image.clone()];
    let mut tiles = Vec::new();
    for mib in [150, 200, 300, 400] {
        let settings = EvaluationSettings { padding: Padding::None, max_mem: Some(mib) };
        tiles.push(counter.count(&image, &settings).unwrap().tiles);
        let peak = peak_resident().unwrap() >> 20;
        println!("{tiles:?} tiles: {peak} of {mib} MiB");
        assert!(peak <= mib, "{peak} MiB of {mib}");
    }
    black_box(others);
    assert!(tiles.is_sorted_by(|a, b| a > b), "more memory, fewer tiles: {tiles:?}");
}
