//! How long a file of YOLOv3's weights takes to read into the network, and how much memory.
//!
//! `read_weights write DIR` writes `yolov3.safetensors` and `yolov3.weights` there; `read_weights read FILE` reads a file of
//! any format.  The time is that of the reading alone; peak memory is the process', network included.

#![allow(clippy::print_stdout)] // results

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use wrs_detection::init::load_init;
use wrs_detection::model::YoloV3;
use wrs_detection::net::DetectionNet;
use wrs_weights::darknet::{self, Header};
use wrs_weights::{Metadata, safetensors};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (net, mut params) = YoloV3::reference();
    let net = DetectionNet::YoloV3(net);
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["write", folder] => {
            let folder = Path::new(folder);
            safetensors::save(&params, &Metadata::new(), &folder.join("yolov3.safetensors"))?;
            darknet::save(&params, &net.darknet_order(&params), Header::new(0), &folder.join("yolov3.weights"))?;
        }
        ["read", file] => {
            let (path, before) = (Path::new(file), peak_mib());
            let start = Instant::now();
            let lines = load_init(path, &net, &mut params)?;
            let took = start.elapsed().as_secs_f64();
            println!("{}", lines.join("\n"));
            let bytes = std::fs::metadata(path)?.len();
            let floats = params.trainable().len() + params.statistics().len();
            let mib = (4 * floats) as f64 / f64::from(1 << 20);
            println!(
                "{bytes} bytes in {took:.3} s; parameters {mib:.0} MiB, peak before {before:.0}, after {:.0}",
                peak_mib()
            );
        }
        _ => return Err("expected `write DIR` or `read FILE`".into()),
    }
    Ok(())
}

/// The most memory this process has had, in MiB; nothing where the system does not say.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}
