//! Which instruction set the kernels run on: the widest the machine has, unless the environment names another.
//!
//! It is asked for once, at the first kernel or the first call of [`instruction_set`].  Results differ between instruction
//! sets in their last bits, never within one.

use std::ffi::OsStr;
use std::sync::OnceLock;

use crate::simd::Isa;

/// The environment variable that names one.
pub const VARIABLE: &str = "WRS_ISA";

/// All the names there are, whatever this machine has.
const NAMES: [&str; 3] = ["avx512", "avx2", "portable"];

/// The environment asks for what cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstructionSetError {
    /// No instruction set has this name.
    #[error("{VARIABLE}: expected {}, got `{got}`\nhelp: unset it, and the kernels take the widest this machine has", NAMES.join(", "))]
    Unknown {
        /// What was given.
        got: String,
    },
    /// This machine has no such instruction set.
    #[error("{VARIABLE}: expected what this machine has ({}), got `{got}`\nhelp: unset it, and the kernels take the widest", available.join(", "))]
    Missing {
        /// What was given.
        got: &'static str,
        /// What there is.
        available: Vec<&'static str>,
    },
}

/// The name of the instruction set the kernels run on: `avx512`, `avx2` or `portable`.
///
/// # Errors
/// [`InstructionSetError`] where the environment names another than these, or one that this machine lacks.  A program asks at
/// its start and ends there; the kernels of one that does not ask run on the widest.
pub fn instruction_set() -> Result<&'static str, InstructionSetError> {
    choice().clone().map(Isa::name)
}

impl Isa {
    /// What the functions run on that are not told.
    pub(crate) fn chosen() -> Self {
        choice().as_ref().map_or_else(|_| Self::widest(), |isa| *isa)
    }
}

fn choice() -> &'static Result<Isa, InstructionSetError> {
    static CHOICE: OnceLock<Result<Isa, InstructionSetError>> = OnceLock::new();
    CHOICE.get_or_init(|| choose(std::env::var_os(VARIABLE).as_deref(), Isa::available()))
}

/// What a value of the variable means on a machine that has `available`, the widest first.
fn choose(value: Option<&OsStr>, available: &[Isa]) -> Result<Isa, InstructionSetError> {
    let Some(value) = value else { return Ok(available[0]) };
    if let Some(isa) = available.iter().find(|isa| value == isa.name()) {
        return Ok(*isa);
    }
    match NAMES.into_iter().find(|name| value == *name) {
        Some(got) => {
            Err(InstructionSetError::Missing { got, available: available.iter().map(|isa| isa.name()).collect() })
        }
        None => Err(InstructionSetError::Unknown { got: value.to_string_lossy().into_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str, available: &[Isa]) -> Result<Isa, String> {
        choose(Some(OsStr::new(value)), available).map_err(|error| error.to_string())
    }

    #[test]
    fn every_name_means_itself_and_none_means_the_widest() {
        for &isa in Isa::available() {
            assert!(NAMES.contains(&isa.name()));
            assert_eq!(of(isa.name(), Isa::available()), Ok(isa));
        }
        assert_eq!(choose(None, Isa::available()), Ok(Isa::widest()));
    }

    #[test]
    fn other_names_and_missing_instruction_sets_are_refused_with_what_there_is() {
        let unknown = of("sse9", Isa::available()).unwrap_err();
        assert!(unknown.starts_with("WRS_ISA: expected avx512, avx2, portable, got `sse9`\nhelp: "), "{unknown}");
        assert!(of("", Isa::available()).is_err() && of("AVX2", Isa::available()).is_err());
        let missing = of("avx512", &[Isa::Portable]).unwrap_err();
        let expected = "WRS_ISA: expected what this machine has (portable), got `avx512`\nhelp: ";
        assert!(missing.starts_with(expected), "{missing}");
    }

    #[test]
    fn functions_that_are_not_told_run_on_the_one_that_is_named() {
        match instruction_set() {
            Ok(name) => assert_eq!(name, Isa::chosen().name()),
            Err(_) => assert_eq!(Isa::chosen(), Isa::widest()),
        }
    }
}
