//! Checkpoint formats, in and out.
//!
//! In memory a conv weight is `[O, kh, kw, I]`; in files it has PyTorch's order `[O, I, kh, kw]`.  The conversion lives in
//! this crate and nowhere else.

mod buffers;
mod container;
pub mod darknet;
pub mod description;
mod digest;
mod error;
#[cfg(feature = "hub")]
mod fetch;
pub mod find;
mod hub;
mod layout;
pub mod load;
pub mod manifest;
mod origin;
pub mod safetensors;
pub mod tensors;
mod torch;

pub use buffers::{NamedBuffers, write_buffers};
pub use error::{LoadReport, Mismatch, WeightsError};
pub use hub::HubFile;
pub use layout::{from_file, to_file};
pub use load::Strictness;
pub use origin::{Origin, OriginError, Why};

/// What a file says about its tensors: task, class names, preprocessing; written in the order of its keys.
pub type Metadata = std::collections::BTreeMap<String, String>;
