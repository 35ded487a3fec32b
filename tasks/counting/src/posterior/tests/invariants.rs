//! What holds of every crop.

use super::*;

/// How far sums of shares, which are rounded to f32, may be off.
const ROUNDING: f64 = 1e-6;
/// How far an expectation may be off the definition, of all the density.
const TOLERANCE: f64 = 1e-5;

fn background() -> impl Strategy<Value = Background> {
    (0usize..4, 0.5f64..2.0).prop_map(|(kind, factor)| match backgrounds()[kind] {
        Background::None => Background::None,
        Background::Legacy { ratio } => Background::Legacy { ratio: ratio * factor },
        Background::Current { ratio } => Background::Current { ratio: ratio * factor },
        Background::NoisyCc { ratio, alpha } => Background::NoisyCc { ratio: ratio * factor, alpha },
    })
}

/// Scattered, in a few heaps, and some of them twice, on a crop of `8 h x 8 w`; some lie outside of it.
fn points([h, w]: [usize; 2]) -> impl Strategy<Value = Vec<PointXy>> {
    let (height, width) = ((h * STRIDE) as f64, (w * STRIDE) as f64);
    let anywhere = (-90.0..width + 90.0, -90.0..height + 90.0).prop_map(|(x, y)| PointXy { x, y });
    let heap =
        (anywhere.clone(), prop::collection::vec((-6.0..6.0f64, -6.0..6.0f64), 1..20)).prop_map(|(at, offsets)| {
            offsets.into_iter().map(|(x, y)| PointXy { x: at.x + x, y: at.y + y }).collect::<Vec<_>>()
        });
    let twice = anywhere.clone().prop_map(|at| vec![at; 2]);
    let some = prop_oneof![anywhere.prop_map(|at| vec![at]), heap, twice];
    prop::collection::vec(some, 1..12).prop_map(|parts| parts.concat())
}

#[derive(Clone, Debug)]
struct Case {
    config: BayesianConfig,
    grid: [usize; 2],
    annotation: Annotation,
    density: Vec<f32>,
}

impl Case {
    fn posterior(&self) -> Posterior {
        Posterior::new(&self.config, self.grid, STRIDE, &self.annotation)
    }

    fn dense(&self) -> Dense {
        Dense::new(&self.config, self.grid, STRIDE, &self.annotation)
    }

    fn sum(&self) -> f64 {
        self.density.iter().map(|d| f64::from(*d)).sum()
    }

    /// Of every point, and of the background behind them.
    fn expectations(&self) -> Vec<f64> {
        let (mut expected, background) = self.posterior().expectations(&self.density);
        expected.extend(background);
        expected
    }
}

fn case() -> impl Strategy<Value = Case> {
    let grid = (1usize..20, 1usize..20).prop_map(|(h, w)| [h, w]);
    let parts = grid.prop_flat_map(|grid| (Just(grid), points(grid), 3.0f64..16.0, background(), 64.0f64..2048.0));
    (parts, any::<u64>()).prop_map(|((grid, points, sigma_px, background, side), seed)| {
        let mut rng = Rng::new(seed, "case", 0, 0);
        let targets = points.iter().map(|_| rng.range(0.3, 1.0)).collect();
        let density = density(grid[0] * grid[1], &mut rng);
        let annotation = Annotation { points, targets, shorter_side_px: side };
        Case { config: BayesianConfig { sigma_px, background }, grid, annotation, density }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_shares_of_a_cell_sum_to_one(case in case()) {
        let posterior = case.posterior();
        let background = posterior.background.iter().copied().map(f64::from).chain(std::iter::repeat(0.0));
        for (row, background) in posterior.rows.iter().zip(background) {
            let sum = row.map(|(_, share)| f64::from(share)).sum::<f64>() + background;
            prop_assert!((sum - 1.0).abs() < ROUNDING, "{sum}");
        }
        prop_assert_eq!(posterior.rows.iter().count(), posterior.cells());
    }

    #[test]
    fn expectations_share_all_the_density_out(case in case()) {
        let sum: f64 = case.expectations().iter().sum();
        prop_assert!((sum - case.sum()).abs() < ROUNDING * case.sum());
    }

    #[test]
    fn expectations_loss_and_gradient_are_those_of_the_definition(case in case()) {
        let dense = case.dense();
        let tolerance = TOLERANCE * case.sum();
        let expected = dense.expectations(&case.density);
        for (got, expected) in case.expectations().iter().zip(&expected) {
            prop_assert!((got - expected).abs() < tolerance, "{got} {expected}");
        }
        let mut gradient = vec![0.0; case.density.len()];
        let loss = case.posterior().loss(&case.density, &mut gradient, 0.25);
        let (dense_loss, dense_gradient) = dense.loss(&case.density, 0.25);
        prop_assert!((loss - dense_loss).abs() < tolerance * expected.len() as f64);
        // Where a surplus is so small that rounding decides its sign, the gradient has a choice.
        let clear = expected.iter().zip(&case.annotation.targets).all(|(e, t)| (e - t).abs() > tolerance);
        for (got, expected) in gradient.iter().zip(dense_gradient) {
            prop_assert!(!clear || (f64::from(*got) - expected).abs() < TOLERANCE, "{got} {expected}");
            prop_assert!(f64::from(got.abs()) <= 0.25 * (1.0 + ROUNDING));
        }
    }

    #[test]
    fn a_mirrored_crop_has_the_same_loss(case in case()) {
        let width = (case.grid[1] * STRIDE) as f64;
        let mut mirrored = case.clone();
        mirrored.annotation.points.iter_mut().for_each(|point| point.x = width - point.x);
        mirrored.density.chunks_exact_mut(case.grid[1]).for_each(<[f32]>::reverse);
        let loss = |case: &Case| case.posterior().loss(&case.density, &mut vec![0.0; case.density.len()], 1.0);
        let (plain, mirrored) = (loss(&case), loss(&mirrored));
        prop_assert!((plain - mirrored).abs() < ROUNDING * (1.0 + case.sum()), "{plain} {mirrored}");
    }

    #[test]
    fn the_order_of_points_does_not_matter(case in case(), seed in any::<u64>()) {
        let n = case.annotation.points.len();
        let mut order: Vec<usize> = (0..n).collect();
        Rng::new(seed, "order", 0, 0).shuffle(&mut order);
        let mut shuffled = case.clone();
        shuffled.annotation.points = order.iter().map(|&i| case.annotation.points[i]).collect();
        shuffled.annotation.targets = order.iter().map(|&i| case.annotation.targets[i]).collect();
        let (plain, got) = (case.expectations(), shuffled.expectations());
        for (at, &from) in order.iter().enumerate() {
            prop_assert!((got[at] - plain[from]).abs() < ROUNDING * case.sum());
        }
    }

    #[test]
    fn a_point_set_twice_halves_what_each_expects(case in case()) {
        // Without a background, and by itself: others would get less.
        let config = BayesianConfig { background: Background::None, ..case.config };
        let single = Case { config, ..case };
        let mut double = single.clone();
        double.annotation.points.extend_from_within(..);
        double.annotation.targets.extend_from_within(..);
        let (single_expected, double_expected) = (single.expectations(), double.expectations());
        for (i, got) in double_expected.iter().enumerate() {
            let half = single_expected[i % single_expected.len()] / 2.0;
            prop_assert!((got - half).abs() < 2.0 * ROUNDING * single.sum());
        }
    }

    #[test]
    fn a_single_point_without_background_expects_everything(case in case()) {
        let mut single = case;
        single.annotation.points.truncate(1);
        single.annotation.targets.truncate(1);
        single.config.background = Background::None;
        let expected = single.expectations();
        prop_assert_eq!(expected, vec![single.sum()]);
    }

    /// Strange points and sizes neither panic nor lose density.
    #[test]
    fn any_numbers_are_survived(
        points in prop::collection::vec((any::<f64>(), any::<f64>()), 0..8),
        near in prop::collection::vec((-1e4..1e4f64, -1e4..1e4f64), 0..8),
        sigma_px in 1e-3..1e6f64, side in 0.0..1e7f64, background in background(), h in 0usize..6, w in 0usize..6,
    ) {
        let points = points.into_iter().chain(near).map(|(x, y)| PointXy { x, y }).collect();
        let annotation = ones(points, side);
        let posterior = Posterior::new(&BayesianConfig { sigma_px, background }, [h, w], STRIDE, &annotation);
        let mut gradient = vec![0.0; h * w];
        let loss = posterior.loss(&vec![1.0; h * w], &mut gradient, 1.0);
        let lies = |p: &PointXy| p.x.abs() <= FARTHEST && p.y.abs() <= FARTHEST;
        prop_assert_eq!(loss.is_nan(), !annotation.points.iter().all(lies));
        prop_assert!(gradient.iter().all(|g| g.abs() <= 1.0 + ROUNDING as f32));
    }
}
