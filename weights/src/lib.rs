//! Checkpoint formats, in and out.
//!
//! In memory a conv weight is `[O, kh, kw, I]`; in files it has PyTorch's order `[O, I, kh, kw]`.  The conversion lives in
//! this crate and nowhere else.
//!
//! [`TensorFile`] is a file of named tensors, whatever its format, and [`load_renamed`] the one way from there into a network.
//! Darknet's files name nothing; they are read by [`darknet`].

mod buffers;
mod container;
pub mod darknet;
pub mod description;
mod digest;
mod dtype;
mod error;
#[cfg(feature = "hub")]
mod fetch;
pub mod find;
mod hub;
mod layout;
mod load;
pub mod manifest;
mod origin;
mod pickle;
mod pytorch;
pub mod safetensors;
mod source;
mod tensors;

pub use buffers::{NamedBuffers, write_buffers};
pub use dtype::Dtype;
pub use error::WeightsError;
pub use hub::HubFile;
pub use layout::{from_file, to_file};
pub use load::{LoadReport, Mismatch, Strictness, fit, listed, load_bytes, load_into, load_renamed, same};
pub use origin::{Origin, OriginError, Why};
pub use tensors::{Content, Entry, Format, TensorFile};

/// What a file says about its tensors: task, class names, preprocessing; written in the order of its keys.
pub type Metadata = std::collections::BTreeMap<String, String>;
