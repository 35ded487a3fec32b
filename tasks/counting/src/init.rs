//! Where a network's numbers come from: torchvision's VGG16, or a CSRNet under the names that are about.

mod calibrate;
mod layers;
mod names;
#[cfg(test)]
mod tests;

use std::path::Path;

use wrs_nn::{Params, Role};
use wrs_weights::{LoadReport, Mismatch, Strictness, TensorFile, fit, load_renamed};

use crate::error::CountingError;
use crate::model::{CsrNet, FRONT};
use crate::net::{Backend, HeadActivation, ModelConfig};

pub use calibrate::Uncalibrated;

use layers::Layer;
use names::FileNames;

/// What a file gave.
#[derive(Debug)]
#[must_use]
pub struct Start {
    /// What was loaded and what was not, in a few lines.
    pub lines: Vec<String>,
    /// The norms behind convolutions of a file that has none: [`Uncalibrated::calibrate`] is to fill them before training.
    pub uncalibrated: Option<Uncalibrated>,
}

/// A file that cannot start a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InitError {
    /// No tensor of a front end.
    #[error(
        "{file}: expected the front end of a CSRNet or a VGG16 (`frontend.0.weight` or `features.0.weight`), got {}\n\
         help: such as torchvision's vgg16_bn, or RUN/best.safetensors of a run of this task",
        listed(found)
    )]
    NoFrontEnd {
        /// The file.
        file: String,
        /// The names of its tensors.
        found: Vec<String>,
    },
    /// A part of the network without some of its tensors.
    #[error(
        "{file}: expected the tensors of ten VGG16 convolutions, or of a whole CSRNet, got none called {}\n\
         help: a VGG of another depth, or a file that was cut short?",
        listed(names)
    )]
    Missing {
        /// The file.
        file: String,
        /// What is not there, as the file would call it.
        names: Vec<String>,
    },
    /// Tensors of other shapes.
    #[error(
        "{file}: tensors of other shapes than the network's: {}\nhelp: is `model.width` that of the file?  init = \"none\" starts from scratch",
        listed(mismatches)
    )]
    Shapes {
        /// The file.
        file: String,
        /// Every misfit.
        mismatches: Vec<Mismatch>,
    },
    /// Two tensors that would go to one place.
    #[error("{file}: tensors `{first}` and `{second}` stand for the same one\nhelp: save one network to a file")]
    Twice {
        /// The file.
        file: String,
        /// One name.
        first: String,
        /// The other.
        second: String,
    },
    /// A file with norms for a network without.
    #[error(
        "{file}: expected a network without batch norms, got one with\n\
         help: set `model.batch-norm = true`, or start from torchvision's vgg16"
    )]
    Norms {
        /// The file.
        file: String,
    },
}

fn listed(items: &[impl std::fmt::Display]) -> String {
    if items.is_empty() { "no tensor".to_owned() } else { wrs_weights::listed(items.iter()) }
}

/// Starts a network from a file of safetensors or PyTorch's: torchvision's or timm's VGG16 (`features`), whose first ten convolutions are the front end,
/// or a CSRNet, as this program saves it or under its authors' names (`frontend`, `backend`), those of Wan's code (`features`,
/// `reg_layer`) or behind the prefixes `CCN.` and `module.`.
///
/// Biases that the network leaves out before its norms go into the running means, which keeps the function of evaluation.  A
/// file without norms starts a network with norms that do nothing yet; see [`Start::uncalibrated`].
///
/// # Errors
/// [`InitError`] for a file that does not hold the whole front end, or of a back end only a part; [`CountingError::Train`] for
/// one that cannot be read.  The network is then as it was.
pub fn load_init(path: &Path, config: &ModelConfig, params: &mut Params) -> Result<Start, CountingError> {
    let file = TensorFile::open(path)?;
    let names = FileNames::of(&file)?;
    if names.has_norms() && !config.batch_norm {
        return Err(InitError::Norms { file: file.file().to_owned() }.into());
    }
    let (twin, report) = read_twin(&file, config, &names)?;
    let (ours, theirs) = (layers::layers(params), layers::layers(&twin));
    let mut uncalibrated = Vec::new();
    let mut loaded = 0;
    for (to, from) in ours.iter().zip(&theirs) {
        if !names.is_whole() && !is_front(params, to) {
            continue;
        }
        loaded += layers::transfer(&twin, from, params, to, config.norm_eps);
        uncalibrated.extend(to.norm.filter(|_| from.norm.is_none()));
    }
    let lines = lines(&file, &names, &twin, &report, (loaded, params), (&ours[0], &theirs[0]));
    let uncalibrated = (!uncalibrated.is_empty()).then(|| Uncalibrated::new(uncalibrated, config.norm_eps));
    Ok(Start { lines, uncalibrated })
}

fn is_front(params: &Params, layer: &Layer) -> bool {
    part_of(&params.get(layer.weight).name) == FRONT
}

/// The first part of a name.
fn part_of(name: &str) -> &str {
    name.split_once('.').map_or(name, |(part, _)| part)
}

/// The networks that a file is of: those that differ in norms and biases alone.
fn config_of(config: &ModelConfig, names: &FileNames) -> ModelConfig {
    ModelConfig { batch_norm: names.has_norms(), conv_bias: names.has_biases(), ..*config }
}

/// The network that the file is of, with the file's numbers.
fn read_twin(
    file: &TensorFile<'_>,
    config: &ModelConfig,
    names: &FileNames,
) -> Result<(Params, LoadReport), CountingError> {
    let (_, mut twin) = CsrNet::new(&config_of(config, names), 0);
    let wanted = twin.iter().map(|(_, p)| &p.name).filter(|name| names.is_whole() || part_of(name) == FRONT);
    let missing: Vec<String> =
        wanted.filter(|name| names.in_file(name).is_none()).map(|name| names.spelled(name)).collect();
    let path = || file.file().to_owned();
    if !missing.is_empty() {
        return Err(InitError::Missing { file: path(), names: missing }.into());
    }
    let report = load_renamed(&mut twin, file, |name| names.in_file(name), Strictness::Partial)?;
    if report.mismatched.is_empty() {
        return Ok((twin, report));
    }
    Err(InitError::Shapes { file: path(), mismatches: report.mismatched }.into())
}

/// Which of this task's networks a file starts, a line each.
pub fn fits(file: &TensorFile<'_>) -> Vec<String> {
    let published = ModelConfig {
        backend: Backend::B,
        batch_norm: true,
        conv_bias: true,
        head: HeadActivation::Abs,
        width: 1.0,
        norm_eps: 1e-5,
        norm_momentum: 0.1,
    };
    let Ok(names) = FileNames::of(file) else { return Vec::new() };
    let mut tensors = CsrNet::tensors(&config_of(&published, &names));
    tensors.retain(|p| names.is_whole() || part_of(&p.name) == FRONT);
    let report = fit(&tensors, file, |name| names.in_file(name));
    if report.loaded < report.tensors {
        return Vec::new();
    }
    let norms = if names.has_norms() { "with batch norms" } else { "without batch norms" };
    let what = if names.is_whole() { "csrnet" } else { "vgg16, CSRNet's front end," };
    vec![format!("{what} {norms}: counting, with --init")]
}

/// A line about the file, and one about each thing that it lacks or that was left in it.
fn lines(
    file: &TensorFile<'_>,
    names: &FileNames,
    twin: &Params,
    report: &LoadReport,
    (loaded, params): (usize, &Params),
    (to, from): (&Layer, &Layer),
) -> Vec<String> {
    // Missing is here what the file has no part of; what it should have and lacks was refused.
    let report = LoadReport {
        loaded,
        tensors: params.iter().len(),
        missing: Vec::new(),
        unexpected: Vec::new(),
        ..report.clone()
    };
    let mut lines = report.lines(file.file());
    let mut note = |text: String| lines.push(format!("        {text}"));
    if !names.is_whole() {
        note("a front end alone: back end and head start afresh".to_owned());
    }
    match (to.norm, from.norm) {
        (Some(_), None) => note("no batch norms in the file: they begin as the identity, to be calibrated".to_owned()),
        (Some(_), Some(_)) if to.bias.is_none() && from.bias.is_some() => {
            note("biases before norms went into the running means".to_owned());
        }
        (Some(_), Some(_)) if to.bias.is_some() && from.bias.is_none() => {
            note("no biases before norms in the file: they begin at 0".to_owned());
        }
        _ => {}
    }
    let last = twin.iter().filter(|(_, p)| p.role == Role::ConvWeight && part_of(&p.name) == FRONT).last();
    let last = last.and_then(|(_, p)| names::index_of(&p.name)).unwrap_or_default();
    let left = names.left_over(twin);
    let (deeper, other): (Vec<_>, Vec<_>) = left.into_iter().partition(|(canonical, _)| {
        part_of(canonical) == FRONT && names::index_of(canonical).is_some_and(|index| index > last)
    });
    let names_of = |list: Vec<(&str, &str)>| list.into_iter().map(|(_, name)| name.to_owned()).collect::<Vec<_>>();
    for (what, names) in [
        ("passed over, deeper than the front end", names_of(deeper)),
        ("passed over, another task's", names.classes().to_vec()),
        ("left over in the file", names_of(other)),
    ] {
        if !names.is_empty() {
            note(format!("{what}: {}: {}", names.len(), listed(&names)));
        }
    }
    lines
}
