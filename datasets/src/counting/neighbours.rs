//! How far points lie from their neighbours: what stands in for the size of a head where no size was annotated.
//!
//! Points are kept in a k-d tree, each range split at the median of its wider side, so that a search takes the logarithm of
//! their number however they crowd. Nothing is approximated: no branch is left out that could hold a nearer point.

use super::PointXy;

/// Neighbours whose distances are averaged.
const NEIGHBOURS: usize = 3;

/// The distance, in pixels, of a point that has no neighbour: the largest that the filter by visible area tells apart.
pub const ALONE_PX: f64 = 128.0;

/// Ranges of so many points are looked through one by one.
const LEAF: usize = 8;

/// The mean distance, in pixels, from each point to the three nearest others: others by index, so that one at the same
/// place counts as a neighbour at distance 0. Of two or three points, the mean over those there are; a point without any
/// neighbour has [`ALONE_PX`].
///
/// # Shapes
/// As many distances as points, in their order.
pub fn mean_neighbour_distances(points: &[PointXy]) -> Vec<f64> {
    let mean = |squared: [f64; NEIGHBOURS]| {
        let found = squared.iter().filter(|square| square.is_finite());
        let (sum, count) = found.fold((0.0, 0.0), |(sum, count), square| (sum + square.sqrt(), count + 1.0));
        if count == 0.0 { ALONE_PX } else { sum / count }
    };
    nearest_squared(points).into_iter().map(mean).collect()
}

/// The distance, in pixels, from each point to the nearest other; none where a point is alone.
pub(super) fn nearest_distances(points: &[PointXy]) -> Vec<f64> {
    let nearest = nearest_squared(points).into_iter().map(|squared| squared[0]);
    nearest.filter(|square| square.is_finite()).map(f64::sqrt).collect()
}

/// The squares of the distances to the nearest others, rising; infinite where there are no more.
fn nearest_squared(points: &[PointXy]) -> Vec<[f64; NEIGHBOURS]> {
    let tree = Tree::new(points);
    let of_point = |from| {
        let mut nearest = Nearest([f64::INFINITY; NEIGHBOURS]);
        tree.search(&tree.order, &tree.axes, from, &mut nearest);
        nearest.0
    };
    (0..points.len()).map(of_point).collect()
}

#[derive(Clone, Copy)]
enum Axis {
    X,
    Y,
}

impl Axis {
    fn of(self, point: PointXy) -> f64 {
        match self {
            Self::X => point.x,
            Self::Y => point.y,
        }
    }
}

/// A range longer than a leaf has at its middle the median along the axis that stands there, and the two sides of it in
/// front and behind.
struct Tree<'a> {
    points: &'a [PointXy],
    order: Vec<usize>,
    axes: Vec<Axis>,
}

impl<'a> Tree<'a> {
    fn new(points: &'a [PointXy]) -> Self {
        let mut tree = Self { points, order: (0..points.len()).collect(), axes: vec![Axis::X; points.len()] };
        split(points, &mut tree.order, &mut tree.axes);
        tree
    }

    fn search(&self, order: &[usize], axes: &[Axis], from: usize, nearest: &mut Nearest) {
        if order.len() <= LEAF {
            return order.iter().for_each(|&other| self.offer(from, other, nearest));
        }
        let middle = order.len() / 2;
        self.offer(from, order[middle], nearest);
        let along = axes[middle];
        let offset = along.of(self.points[from]) - along.of(self.points[order[middle]]);
        let (low, high) = ((&order[..middle], &axes[..middle]), (&order[middle + 1..], &axes[middle + 1..]));
        let (near, far) = if offset < 0.0 { (low, high) } else { (high, low) };
        self.search(near.0, near.1, from, nearest);
        if offset * offset < nearest.farthest() {
            self.search(far.0, far.1, from, nearest);
        }
    }

    fn offer(&self, from: usize, other: usize, nearest: &mut Nearest) {
        if from != other {
            let (a, b) = (self.points[from], self.points[other]);
            let (dx, dy) = (a.x - b.x, a.y - b.y);
            nearest.offer(dx * dx + dy * dy);
        }
    }
}

fn split(points: &[PointXy], order: &mut [usize], axes: &mut [Axis]) {
    if order.len() <= LEAF {
        return;
    }
    let (middle, along) = (order.len() / 2, wider_side(points, order));
    order.select_nth_unstable_by(middle, |&a, &b| along.of(points[a]).total_cmp(&along.of(points[b])));
    axes[middle] = along;
    let ((low, high), (low_axes, high_axes)) = (order.split_at_mut(middle), axes.split_at_mut(middle));
    split(points, low, low_axes);
    split(points, &mut high[1..], &mut high_axes[1..]);
}

fn wider_side(points: &[PointXy], order: &[usize]) -> Axis {
    let extent = |along: Axis| {
        let values = order.iter().map(|&index| along.of(points[index]));
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        high - low
    };
    if extent(Axis::X) < extent(Axis::Y) { Axis::Y } else { Axis::X }
}

/// The squares of the least distances so far, rising.
struct Nearest([f64; NEIGHBOURS]);

impl Nearest {
    fn farthest(&self) -> f64 {
        self.0[NEIGHBOURS - 1]
    }

    fn offer(&mut self, square: f64) {
        if square < self.farthest() {
            let at = self.0.partition_point(|&other| other <= square);
            self.0[at..].rotate_right(1);
            self.0[at] = square;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn points(at: &[(f64, f64)]) -> Vec<PointXy> {
        at.iter().map(|&(x, y)| PointXy { x, y }).collect()
    }

    /// Every distance of every point.
    fn brute(points: &[PointXy]) -> Vec<f64> {
        let of_point = |(i, a): (usize, &PointXy)| {
            let others = points.iter().enumerate().filter(|(j, _)| *j != i);
            let mut squares: Vec<f64> =
                others.map(|(_, b)| (a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y)).collect();
            squares.sort_by(f64::total_cmp);
            squares.truncate(NEIGHBOURS);
            let sum = squares.iter().fold(0.0, |sum, square| sum + square.sqrt());
            if squares.is_empty() { ALONE_PX } else { sum / squares.len() as f64 }
        };
        points.iter().enumerate().map(of_point).collect()
    }

    #[test]
    fn five_points_have_the_means_of_the_specification() {
        let found = mean_neighbour_distances(&points(&[(0.0, 0.0), (3.0, 4.0), (6.0, 8.0), (0.0, 10.0), (100.0, 0.0)]));
        let expected = [8.333_333, 5.569_401, 7.108_185, 7.677_586, 97.140_750];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 5e-7, "{found}, not {expected}");
        }
    }

    #[test]
    fn few_points_have_the_mean_of_those_there_are() {
        assert_eq!(mean_neighbour_distances(&[]), [0.0; 0]);
        assert_eq!(mean_neighbour_distances(&points(&[(5.0, 5.0)])), [128.0]);
        assert_eq!(mean_neighbour_distances(&points(&[(0.0, 0.0), (3.0, 4.0)])), [5.0, 5.0]);
        let three = points(&[(0.0, 0.0), (3.0, 4.0), (0.0, 9.0)]);
        assert_eq!(
            mean_neighbour_distances(&three),
            [7.0, f64::midpoint(5.0, 34_f64.sqrt()), f64::midpoint(34_f64.sqrt(), 9.0)]
        );
    }

    #[test]
    fn points_at_one_place_are_neighbours_at_distance_0() {
        assert_eq!(mean_neighbour_distances(&points(&[(7.0, 7.0); 20])), [0.0; 20]);
        let pair = points(&[(0.0, 0.0), (0.0, 0.0), (6.0, 0.0), (0.0, 6.0)]);
        assert_eq!(mean_neighbour_distances(&pair)[..2], [4.0, 4.0]);
        assert_eq!(nearest_distances(&pair), [0.0, 0.0, 6.0, 6.0]);
        assert_eq!(nearest_distances(&pair[..1]), [0.0; 0]);
    }

    proptest! {
        #[test]
        fn the_tree_finds_what_comparing_all_finds(
            whole in prop::collection::vec((0..12_i32, 0..12_i32), 0..60),
            spread in prop::collection::vec((0.0..2000.0, 0.0..1000.0), 0..60),
            stretched in any::<bool>(),
        ) {
            let crowd = whole.iter().map(|&(x, y)| (f64::from(x), f64::from(y) * if stretched { 0.0 } else { 1.0 }));
            let all = points(&crowd.chain(spread).collect::<Vec<_>>());
            prop_assert_eq!(mean_neighbour_distances(&all), brute(&all));
        }

        #[test]
        fn the_order_of_points_is_irrelevant(at in prop::collection::vec((0.0..50.0, 0.0..50.0), 0..40), from in 0..40_usize) {
            let all = points(&at);
            let mut turned = all.clone();
            let by = from % all.len().max(1);
            turned.rotate_left(by);
            let mut found = mean_neighbour_distances(&all);
            found.rotate_left(by);
            prop_assert_eq!(mean_neighbour_distances(&turned), found);
        }
    }

    #[test]
    fn a_crowd_is_searched_in_no_time_however_it_stands() {
        let mut rng = wrs_ops::rng::Rng::new(3, "crowd", 0, 0);
        let spread: Vec<_> = (0..13_000).map(|_| (rng.range(0.0, 6000.0), rng.range(0.0, 4000.0))).collect();
        // Half at one place, the rest in a line: what a grid of even cells is slow at.
        let odd: Vec<_> = (0..13_000).map(|i| if i % 2 == 0 { (5.0, 5.0) } else { (f64::from(i), 4000.0) }).collect();
        for at in [spread, odd] {
            let all = points(&at);
            let begun = std::time::Instant::now();
            let found = mean_neighbour_distances(&all);
            eprintln!("{} points in {:.1?}", all.len(), begun.elapsed());
            assert!(found.iter().all(|distance| distance.is_finite()));
        }
    }
}
