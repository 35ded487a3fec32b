//! The colours that viewers show label maps in.

/// Red, green and blue of each of the 256 indices.
pub type Palette = [[u8; 3]; 256];

/// The palette of the VOC challenge: black, dark red, dark green, …, and a cream for void.
///
/// Successive groups of three bits of the index, from the lowest, give one bit each to red, green and blue, from the highest.
pub fn voc_palette() -> Palette {
    std::array::from_fn(|index| {
        let channel =
            |first: usize| (0..3).fold(0, |value, group| value | bit(index, 3 * group + first) << (7 - group));
        [channel(0), channel(1), channel(2)]
    })
}

fn bit(index: usize, position: usize) -> u8 {
    u8::from(index >> position & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_colours_are_those_of_the_challenge() {
        let palette = voc_palette();
        let published = [
            (0, [0, 0, 0]),
            (1, [128, 0, 0]),
            (2, [0, 128, 0]),
            (3, [128, 128, 0]),
            (4, [0, 0, 128]),
            (7, [128, 128, 128]),
            (8, [64, 0, 0]),
            (9, [192, 0, 0]),
            (15, [192, 128, 128]),
            (16, [0, 64, 0]),
            (17, [128, 64, 0]),
            (18, [0, 192, 0]),
            (20, [0, 64, 128]),
            (21, [128, 64, 128]),
            (255, [224, 224, 192]),
        ];
        for (index, colour) in published {
            assert_eq!(palette[index], colour, "index {index}");
        }
    }

    #[test]
    fn no_two_indices_share_a_colour() {
        let mut colours = voc_palette().to_vec();
        colours.sort_unstable();
        colours.dedup();
        assert_eq!(colours.len(), 256);
    }
}
