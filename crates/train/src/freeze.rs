//! What a recipe freezes of a network, by the beginnings of names.

use wrs_nn::Params;

use crate::error::TrainError;

/// A part that is in no tensor's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("freeze: no tensor's name begins with `{part}`\nhelp: names are like `{example}`")]
pub struct FreezeError {
    /// The part as the recipe names it.
    pub part: String,
    /// The name of one tensor.
    pub example: String,
}

/// Freezes the named parts ([`Params::freeze`]); gives a line about each.  To be called before the optimizer is made.
///
/// # Errors
/// [`TrainError::Freeze`] for a part that no tensor belongs to.
pub fn freeze(params: &mut Params, parts: &[String]) -> Result<Vec<String>, TrainError> {
    let mut notes = Vec::with_capacity(parts.len());
    for part in parts {
        let tensors = params.freeze(part);
        if tensors == 0 {
            let example = params.iter().next().map_or_else(String::new, |(_, parameter)| parameter.name.clone());
            return Err(FreezeError { part: part.clone(), example }.into());
        }
        notes.push(format!("frozen  {part}: {tensors} tensors keep their values"));
    }
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny_net::TinyNet;

    #[test]
    fn parts_are_frozen_and_counted() {
        let (_, mut params) = TinyNet::new(0);
        let notes = freeze(&mut params, &["stem.bn".to_owned(), "head".to_owned()]).unwrap();
        assert_eq!(
            notes,
            ["frozen  stem.bn: 4 tensors keep their values", "frozen  head: 2 tensors keep their values"]
        );
        assert!(params.is_frozen(params.find("stem.bn.running_var").unwrap()));
        assert!(!params.is_frozen(params.find("stem.conv.weight").unwrap()));
    }

    #[test]
    fn a_part_that_is_nowhere_is_refused_with_an_example() {
        let (_, mut params) = TinyNet::new(0);
        let text = freeze(&mut params, &["stems".to_owned()]).unwrap_err().to_string();
        assert_eq!(text, "freeze: no tensor's name begins with `stems`\nhelp: names are like `stem.conv.weight`");
    }
}
