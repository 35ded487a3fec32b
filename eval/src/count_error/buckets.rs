//! Images by how many objects they hold: errors in a stadium say nothing of those in a street.

use std::str::FromStr;

use super::error::{CountError, MOST};
use super::records::ImageCount;

/// How images are split by their true count.  A cut point belongs to the bucket below it.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Buckets {
    /// Not at all.
    #[default]
    None,
    /// NWPU-Crowd's: nobody, up to 100, up to 500, up to 5000, more.
    Nwpu,
    /// JHU-CROWD++'s: 0 to 50, 51 to 500, more.
    Jhu,
    /// At these counts, ascending.
    Cuts(Vec<f64>),
    /// Into so many parts of about as many images; equal counts stay together, so there may be fewer.
    Quantiles(usize),
}

impl Buckets {
    /// The images of each bucket, which may have none, behind its label.
    pub(super) fn split<'i>(
        &self,
        images: &[&'i ImageCount],
    ) -> Result<Vec<(String, Vec<&'i ImageCount>)>, CountError> {
        let (cuts, labels) = match self {
            Self::None => return Ok(Vec::new()),
            Self::Nwpu => (vec![0.0, 100.0, 500.0, 5000.0], None),
            Self::Jhu => (vec![50.0, 500.0], Some(["0-50", "51-500", "> 500"])),
            Self::Cuts(cuts) => (checked(cuts)?, None),
            Self::Quantiles(parts) => (quantiles(images, *parts)?, None),
        };
        let labels = labels.map_or_else(|| labels_of(&cuts), |labels| labels.map(str::to_owned).into());
        let mut buckets: Vec<(String, Vec<&ImageCount>)> =
            labels.into_iter().map(|label| (label, Vec::new())).collect();
        for &image in images {
            buckets[cuts.partition_point(|&cut| cut < image.truth)].1.push(image);
        }
        Ok(buckets)
    }
}

impl FromStr for Buckets {
    type Err = CountError;

    /// `none`, `nwpu`, `jhu`, `quantiles:4` or cut points such as `50,500`.
    fn from_str(text: &str) -> Result<Self, CountError> {
        let unknown = || CountError::UnknownBuckets(text.to_owned());
        match text {
            "none" => Ok(Self::None),
            "nwpu" => Ok(Self::Nwpu),
            "jhu" => Ok(Self::Jhu),
            _ => {
                if let Some(parts) = text.strip_prefix("quantiles:") {
                    let parts = parts.parse().map_err(|_| unknown())?;
                    return if parts < 2 { Err(CountError::Quantiles(parts)) } else { Ok(Self::Quantiles(parts)) };
                }
                let cuts: Result<Vec<f64>, _> = text.split(',').map(|cut| cut.trim().parse()).collect();
                Ok(Self::Cuts(checked(&cuts.map_err(|_| unknown())?)?))
            }
        }
    }
}

fn checked(cuts: &[f64]) -> Result<Vec<f64>, CountError> {
    let fit = !cuts.is_empty() && cuts.iter().all(|cut| (0.0..=MOST).contains(cut));
    if fit && cuts.windows(2).all(|pair| pair[0] < pair[1]) {
        Ok(cuts.to_vec())
    } else {
        Err(CountError::Cuts(cuts.to_vec()))
    }
}

/// The least true counts that reach each share of the images; those that many images share are one cut point, and the
/// largest count is none.
fn quantiles(images: &[&ImageCount], parts: usize) -> Result<Vec<f64>, CountError> {
    if parts < 2 {
        return Err(CountError::Quantiles(parts));
    }
    let mut truths: Vec<f64> = images.iter().map(|image| image.truth).collect();
    truths.sort_by(f64::total_cmp);
    // More parts than images cut between all of them.
    let parts = parts.min(truths.len());
    let mut cuts: Vec<f64> = (1..parts).map(|part| truths[(part * truths.len()).div_ceil(parts) - 1]).collect();
    cuts.dedup();
    cuts.retain(|cut| truths.last().is_some_and(|largest| cut < largest));
    Ok(cuts)
}

fn labels_of(cuts: &[f64]) -> Vec<String> {
    let first = match cuts.first() {
        None => return vec!["all".to_owned()],
        Some(0.0) => "0".to_owned(),
        Some(cut) => format!("[0, {cut}]"),
    };
    let between = cuts.windows(2).map(|pair| format!("({}, {}]", pair[0], pair[1]));
    let last = cuts.last().map(|cut| format!("> {cut}"));
    [first].into_iter().chain(between).chain(last).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn counts_of(buckets: &Buckets, truths: &[f64]) -> Vec<(String, Vec<f64>)> {
        let image = |&truth: &f64| ImageCount {
            image: String::new(),
            predicted: 0.0,
            truth,
            game: None,
            groups: BTreeMap::new(),
        };
        let images: Vec<ImageCount> = truths.iter().map(image).collect();
        let split = buckets.split(&images.iter().collect::<Vec<_>>()).unwrap();
        split.into_iter().map(|(label, images)| (label, images.iter().map(|image| image.truth).collect())).collect()
    }

    fn expected(buckets: &[(&str, &[f64])]) -> Vec<(String, Vec<f64>)> {
        buckets.iter().map(|&(label, truths)| (label.to_owned(), truths.to_vec())).collect()
    }

    #[test]
    fn a_cut_point_belongs_to_the_bucket_below() {
        let truths = [0.0, 1.0, 50.0, 51.0, 100.0, 101.0, 500.0, 501.0, 5000.0, 5001.0];
        let nwpu: [(&str, &[f64]); 5] = [
            ("0", &[0.0]),
            ("(0, 100]", &[1.0, 50.0, 51.0, 100.0]),
            ("(100, 500]", &[101.0, 500.0]),
            ("(500, 5000]", &[501.0, 5000.0]),
            ("> 5000", &[5001.0]),
        ];
        assert_eq!(counts_of(&Buckets::Nwpu, &truths), expected(&nwpu));
        let jhu: [(&str, &[f64]); 3] = [
            ("0-50", &[0.0, 1.0, 50.0]),
            ("51-500", &[51.0, 100.0, 101.0, 500.0]),
            ("> 500", &[501.0, 5000.0, 5001.0]),
        ];
        assert_eq!(counts_of(&Buckets::Jhu, &truths), expected(&jhu));
        let own = Buckets::Cuts(vec![10.0, 20.5]);
        assert_eq!(counts_of(&own, &[7.0]), expected(&[("[0, 10]", &[7.0]), ("(10, 20.5]", &[]), ("> 20.5", &[])]));
        assert_eq!(counts_of(&Buckets::None, &truths), []);
    }

    #[test]
    fn quantiles_cut_at_counts_that_are_there() {
        let halves = counts_of(&Buckets::Quantiles(2), &[9.0, 1.0, 5.0, 3.0]);
        assert_eq!(halves, expected(&[("[0, 3]", &[1.0, 3.0]), ("> 3", &[9.0, 5.0])]));
        let thirds = counts_of(&Buckets::Quantiles(3), &[0.0, 0.0, 0.0, 0.0, 8.0]);
        assert_eq!(thirds, expected(&[("0", &[0.0; 4]), ("> 0", &[8.0])]), "equal counts stay together");
        assert_eq!(counts_of(&Buckets::Quantiles(4), &[2.0; 3]), expected(&[("all", &[2.0; 3])]));
        let alone = counts_of(&Buckets::Quantiles(9), &[2.0, 1.0]);
        assert_eq!(alone, expected(&[("[0, 1]", &[1.0]), ("> 1", &[2.0])]));
    }

    #[test]
    fn buckets_have_names() {
        for (text, buckets) in [
            ("none", Buckets::None),
            ("nwpu", Buckets::Nwpu),
            ("jhu", Buckets::Jhu),
            ("quantiles:4", Buckets::Quantiles(4)),
            ("50, 500", Buckets::Cuts(vec![50.0, 500.0])),
            ("0", Buckets::Cuts(vec![0.0])),
        ] {
            assert_eq!(text.parse::<Buckets>().unwrap(), buckets, "{text}");
        }
        for text in ["500,50", "5,5", "-1,5", "nan", "1,inf"] {
            assert!(matches!(text.parse::<Buckets>(), Err(CountError::Cuts(_))), "{text}");
        }
        for text in ["", "NWPU", "quantiles:x", "50;500"] {
            assert!(matches!(text.parse::<Buckets>(), Err(CountError::UnknownBuckets(_))), "{text}");
        }
        assert!(matches!("quantiles:1".parse::<Buckets>(), Err(CountError::Quantiles(1))));
        assert!(matches!(Buckets::Cuts(Vec::new()).split(&[]), Err(CountError::Cuts(_))));
        assert!(matches!(Buckets::Quantiles(0).split(&[]), Err(CountError::Quantiles(0))));
    }
}
