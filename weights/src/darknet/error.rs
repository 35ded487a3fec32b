//! What a `.weights` file can be refused for.

use super::Header;

/// A file that does not hold this network's numbers.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DarknetError {
    /// Too short to be anything.
    #[error("{file}: expected a Darknet header of 16 or 20 bytes and floats, got {bytes} bytes\nhelp: {WHOLE}")]
    NoHeader {
        /// The file.
        file: String,
        /// Its size.
        bytes: u64,
    },
    /// Bytes left over behind the last whole float.
    #[error(
        "{file}: expected a header of {} bytes (version {}) and whole floats, got {bytes} bytes\nhelp: {WHOLE}",
        header.bytes(), version(header)
    )]
    NotFloats {
        /// The file.
        file: String,
        /// Its size.
        bytes: u64,
        /// What it says of itself.
        header: Header,
    },
    /// A size that would fit with the other form of header.
    #[error(
        "{file}: version {} asks for a header of {} bytes, but the size fits this network with one of {fits}\n\
         help: the version is damaged; write the file again with the program it comes from",
        version(header), header.bytes()
    )]
    OtherHeader {
        /// The file.
        file: String,
        /// What it says of itself.
        header: Header,
        /// Bytes of header that the size leaves.
        fits: u64,
    },
    /// The same network for another number of classes.
    #[error(
        "{file}: expected {expected} classes, got the weights of {got}\n\
         help: filters before [yolo] must be anchors * (5 + classes); to start from this file, load all but its heads"
    )]
    OtherClasses {
        /// The file.
        file: String,
        /// The network's.
        expected: usize,
        /// The file's.
        got: usize,
    },
    /// A file that ends early.
    #[error("{file}: expected {expected} floats, got {got}: it ends {place}\nhelp: {help}")]
    Short {
        /// The file.
        file: String,
        /// The network's.
        expected: u64,
        /// The file's.
        got: u64,
        /// Behind or within which layer.
        place: String,
        /// The mend.
        help: String,
    },
    /// A file that goes on.
    #[error(
        "{file}: expected {expected} floats{asked}, got {got}: {} left over behind layer {layer}\n\
         help: is it a file of another network or width? `filters` before [yolo] must be anchors * (5 + classes); a training \
         starts from scratch with init = \"none\"",
        got - expected
    )]
    LeftOver {
        /// The file.
        file: String,
        /// The network's.
        expected: u64,
        /// The file's.
        got: u64,
        /// The last layer that was asked for.
        layer: usize,
        /// Which layers were asked for, unless all.
        asked: String,
    },
    /// A cut before the first convolution.
    #[error(
        "{file}: no convolution among the first {layers} layers\nhelp: count the layers of the .cfg from its first"
    )]
    NothingAsked {
        /// The file.
        file: String,
        /// Layers asked for.
        layers: usize,
    },
    /// A number that no network has.
    #[error("{file}: layer {layer}: {tensor}, value {index}: expected {expected}, got {got}\nhelp: {WHOLE}")]
    Value {
        /// The file.
        file: String,
        /// Its number in the `.cfg`.
        layer: usize,
        /// The tensor.
        tensor: String,
        /// Its place in the tensor, in the file's order.
        index: usize,
        /// What would do.
        expected: &'static str,
        /// What stands there.
        got: f32,
    },
}

const WHOLE: &str = "is the file whole, and of this network? compare its size with the source's";

fn version(header: &Header) -> String {
    let [major, minor, revision] = header.version;
    format!("{major}.{minor}.{revision}")
}
