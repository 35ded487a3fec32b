//! The order people expect of numbered names: `IMG_2` before `IMG_10`.

use std::cmp::Ordering;

/// Compares names, runs of digits by their number. Names that differ in leading zeros alone are compared as text, so only
/// equal names are equal.
pub(super) fn natural_cmp(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let (Some(x), Some(y)) = (left.chars().next(), right.chars().next()) else {
            return left.len().cmp(&right.len()).then_with(|| a.cmp(b));
        };
        let order = if x.is_ascii_digit() && y.is_ascii_digit() {
            compare_numbers(take_digits(&mut left), take_digits(&mut right))
        } else {
            left = &left[x.len_utf8()..];
            right = &right[y.len_utf8()..];
            x.cmp(&y)
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn take_digits<'a>(text: &mut &'a str) -> &'a str {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    digits
}

/// Numbers of any length.
fn compare_numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Row 27 of the edge cases.
    #[test]
    fn numbers_in_names_are_compared_as_numbers() {
        let mut names = ["IMG_10", "IMG_2", "a", "IMG_2b1", "IMG_02", "IMG_", "img_1", "99999999999999999999999", "9"];
        names.sort_by(|a, b| natural_cmp(a, b));
        assert_eq!(
            names,
            ["9", "99999999999999999999999", "IMG_", "IMG_02", "IMG_2", "IMG_2b1", "IMG_10", "a", "img_1"]
        );
    }

    proptest! {
        #[test]
        fn it_is_an_order(names in prop::collection::vec("[0-2a é]{0,5}", 3)) {
            let [a, b, c] = [0, 1, 2].map(|i| names[i].as_str());
            prop_assert_eq!(natural_cmp(a, b), natural_cmp(b, a).reverse());
            prop_assert_eq!(natural_cmp(a, b).is_eq(), a == b);
            if natural_cmp(a, b).is_le() && natural_cmp(b, c).is_le() {
                prop_assert!(natural_cmp(a, c).is_le());
            }
        }
    }
}
