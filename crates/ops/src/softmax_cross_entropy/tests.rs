use super::*;
use crate::oracle::{assert_close, finite_differences, normals, same_in_any_pool, to_f64};
use proptest::prelude::*;

fn one_image<'a>(logits: &'a [f32], labels: &'a [u8], classes: usize) -> CrossEntropy<'a> {
    CrossEntropy { logits, labels, images: 1, classes }
}

fn run(args: &CrossEntropy) -> (BatchLoss, Vec<f32>) {
    let mut gradient = vec![f32::NAN; args.logits.len()];
    let loss = softmax_cross_entropy(args, 1.0, &mut gradient).unwrap();
    (loss, gradient)
}

/// The mean by its definition, in `f64`.
fn oracle(logits: &[f64], labels: &[u8], classes: usize) -> f64 {
    let counted = || logits.chunks(classes).zip(labels).filter(|(_, label)| **label != IGNORE_INDEX);
    let loss = |(row, label): (&[f64], &u8)| {
        let m = row.iter().fold(f64::NEG_INFINITY, |m, x| m.max(*x));
        m + row.iter().map(|x| (x - m).exp()).sum::<f64>().ln() - row[usize::from(*label)]
    };
    counted().map(loss).sum::<f64>() / counted().count().max(1) as f64
}

fn labels(n: usize, classes: usize) -> Vec<u8> {
    (0..n).map(|i| if i % 7 == 3 { IGNORE_INDEX } else { (i * 31 % classes) as u8 }).collect()
}

#[test]
fn values_by_hand() {
    // ln 2 where both classes are alike, ln(1 + 3) - ln 3 where one has three parts of four.
    let logits = [0.0, 0.0, 3.0f32.ln(), 0.0];
    let (loss, gradient) = run(&one_image(&logits, &[1, 0], 2));
    let expected = f64::midpoint(2.0f64.ln(), (4.0f64 / 3.0).ln());
    assert!((loss.mean() - expected).abs() < 1e-7, "{loss:?}");
    assert_eq!(loss.pixels(), 2);
    assert_close(&gradient, &[0.25, -0.25, -0.125, 0.125], 1e-7, "gradient");
}

#[test]
fn means_and_gradients_are_pytorchs() {
    // F.cross_entropy(logits, labels, ignore_index=255) of PyTorch 2, in f64.
    let logits = [0.5, -1.0, 2.0, 3.0, 0.25, -0.75, -2.0, 4.0, 1.5, 0.125, 0.25, -0.5, 100.0, -50.0, 99.0];
    let (loss, gradient) = run(&one_image(&logits, &[2, 1, 255, 0, 2], 3));
    assert_eq!(loss.pixels(), 4);
    assert!((loss.mean() - 1.342_471_798_861_284_4).abs() < 2e-7, "{}", loss.mean());
    let expected = [
        [0.043_822_598_035_009_17, 0.009_778_143_317_671_862, -0.053_600_741_352_681_03],
        [0.229_896_556_090_995_02, -0.235_303_204_870_314_8, 0.005_406_648_779_319_764],
        [0.0, 0.0, 0.0],
        [-0.156_311_244_863_391_5, 0.106_163_267_952_804_59, 0.050_147_976_910_586_95],
        [0.182_764_644_657_501_22, 1.311e-66, -0.182_764_644_657_501_22],
    ];
    assert_close(&gradient, expected.as_flattened(), 6e-8, "gradient");
}

#[test]
fn pixels_without_a_label_count_for_nothing() {
    let logits = [f32::NAN, f32::INFINITY, 1.0, 2.0];
    let (loss, gradient) = run(&one_image(&logits, &[255, 1], 2));
    assert_eq!(gradient[..2], [0.0, 0.0]);
    assert!(loss.mean().is_finite() && loss.pixels() == 1);
    let (loss, gradient) = run(&one_image(&logits, &[255, 255], 2));
    assert_eq!((loss.mean(), loss.pixels(), gradient), (0.0, 0, vec![0.0; 4]));
    let (loss, _) = run(&one_image(&[], &[], 2));
    assert_eq!((loss.mean(), loss.pixels()), (0.0, 0));
}

#[test]
fn large_logits_neither_overflow_nor_lose_their_digits() {
    let logits = [3e38, -3e38, 0.0, 30.0, 0.0, 0.0, -1e4, 1e4, 0.0, 80.0, 0.0, -80.0];
    let (loss, gradient) = run(&one_image(&logits, &[0, 0, 0, 1], 3));
    let [certain, sure, wrong, lost] = [0.0, 2.0 * (-30.0f64).exp(), 2e4, 80.0];
    assert!((loss.images[0].sum - (certain + sure + wrong + lost)).abs() < 1e-9, "{loss:?}");
    assert!(gradient.iter().all(|g| g.is_finite()));
    assert!((f64::from(-4.0 * gradient[3]) / sure - 1.0).abs() < 1e-6, "{}", gradient[3]);
    let alone = run(&one_image(&logits[3..6], &[0], 3)).0.mean();
    assert!((alone / (2.0 * (-30.0f64).exp()).ln_1p() - 1.0).abs() < 1e-6, "{alone}");
}

#[test]
fn images_whose_loss_is_not_finite_are_named() {
    let logits = [0.0, 1.0, f32::NAN, 0.0, 1.0, 0.0, f32::NEG_INFINITY, 0.0, 0.0, f32::INFINITY];
    let args = CrossEntropy { logits: &logits, labels: &[0, 1, 0, 0, 1], images: 5, classes: 2 };
    let mut gradient = [0.0; 10];
    let loss = softmax_cross_entropy(&args, 1.0, &mut gradient).unwrap();
    assert_eq!(loss.not_finite(), [1, 3, 4]);
    assert!(!loss.mean().is_finite());
}

#[test]
fn loss_and_gradient_agree_with_the_oracle_for_every_instruction_set_and_pool() {
    for (images, pixels, classes) in [(1, 1, 1), (2, 3, 2), (3, 2 * LANES, 17), (2, 4001, 21), (1, 300, 255)] {
        let n = images * pixels;
        let logits: Vec<f32> = normals(n * classes, "logits").iter().map(|x| 4.0 * x).collect();
        let labels = labels(n, classes);
        let args = CrossEntropy { logits: &logits, labels: &labels, images, classes };
        let counts = args.count().unwrap();
        let valid = labels.iter().filter(|label| **label != IGNORE_INDEX).count() as f64;
        let expected = oracle(&to_f64(&logits), &labels, classes);
        let exact = logits.chunks(classes).zip(&labels).flat_map(|(row, &label)| {
            let sum: f64 = row.iter().map(|x| f64::from(*x).exp()).sum();
            let value = move |(k, x): (usize, &f32)| match label {
                IGNORE_INDEX => 0.0,
                label => (f64::from(*x).exp() / sum - f64::from(u8::from(k == usize::from(label)))) * 0.5 / valid,
            };
            row.iter().enumerate().map(value).collect::<Vec<_>>()
        });
        let exact: Vec<f64> = exact.collect();
        for &isa in Isa::available() {
            let got = same_in_any_pool(|| {
                let mut gradient = vec![f32::NAN; logits.len()];
                let loss = compute(isa, &args, &counts, 0.5, &mut gradient);
                assert!((loss.mean() - expected).abs() <= 3e-7 * expected.max(1.0), "{isa:?} {loss:?} {expected}");
                gradient.extend(loss.images.iter().flat_map(|image| {
                    [f32::from_bits((image.sum.to_bits() >> 32) as u32), f32::from_bits(image.sum.to_bits() as u32)]
                }));
                gradient
            });
            let largest = exact.iter().fold(0.0, |m: f64, g| m.max(g.abs()));
            for (g, e) in got.iter().zip(&exact) {
                // Up to 255 exponentials are summed in f32.
                assert!((f64::from(*g) - e).abs() <= 2e-6 * largest, "{isa:?}: expected {e}, got {g}");
            }
        }
    }
}

#[test]
fn the_gradient_is_the_slope_of_the_loss() {
    let (classes, n) = (5, 9);
    let (logits, labels) = (normals(n * classes, "logits"), labels(n, classes));
    let (_, gradient) = run(&one_image(&logits, &labels, classes));
    let slopes = finite_differences(&to_f64(&logits), 1e-5, |x| oracle(x, &labels, classes));
    assert_close(&gradient, &slopes, 1e-7, "gradient");
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |args: CrossEntropy, gradient: usize| {
        softmax_cross_entropy(&args, 1.0, &mut vec![0.0; gradient]).unwrap_err().to_string()
    };
    let args = CrossEntropy { logits: &[0.0; 8], labels: &[0, 1, 255, 1], images: 2, classes: 2 };
    assert!(refused(args, 7).contains("gradient"));
    assert!(refused(CrossEntropy { classes: 3, ..args }, 8).contains("logits"));
    assert!(refused(CrossEntropy { images: 3, ..args }, 8).contains("multiple of the 3 images"));
    assert!(refused(CrossEntropy { images: 0, ..args }, 8).contains("labels"));
    assert!(refused(CrossEntropy { classes: 0, logits: &[], ..args }, 0).contains("classes"));
    assert!(refused(CrossEntropy { classes: 256, logits: &[0.0; 1024], ..args }, 1024).contains("classes"));
    let place = refused(CrossEntropy { labels: &[0, 1, 255, 2], ..args }, 8);
    assert!(place.contains("image 1 of the batch, pixel 1: expected a label under 2 or 255, got 2"), "{place}");
}

proptest! {
    /// Each pixel's gradient sums to zero, pulls its label up and the others down; the loss is not negative.
    #[test]
    fn gradients_of_any_pixel_balance(
        rows in prop::collection::vec((prop::collection::vec(-60.0f32..60.0, 7), 0u8..8), 1..40),
    ) {
        let logits: Vec<f32> = rows.iter().flat_map(|(row, _)| row.clone()).collect();
        let labels: Vec<u8> = rows.iter().map(|(_, label)| if *label == 7 { IGNORE_INDEX } else { *label }).collect();
        let (loss, gradient) = run(&one_image(&logits, &labels, 7));
        prop_assert!(loss.mean() >= 0.0);
        prop_assert!((loss.mean() - oracle(&to_f64(&logits), &labels, 7)).abs() <= 1e-6 * (1.0 + loss.mean()));
        for (row, &label) in gradient.chunks(7).zip(&labels) {
            prop_assert!(row.iter().sum::<f32>().abs() < 1e-6);
            for (k, g) in row.iter().enumerate() {
                let pull = if k == usize::from(label) { -g } else { *g };
                prop_assert!(pull >= 0.0, "class {k}, label {label}: {g}");
            }
        }
    }
}
