use candle_core::D;
use candle_nn::{BatchNorm, ModuleT, Optimizer, ParamsAdamW, SGD};

use super::*;

fn tau(tau: u64) -> NonZeroU64 {
    NonZeroU64::new(tau).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Numbers without a pattern.
fn tensor(dims: &[usize], salt: usize) -> Tensor {
    let len: usize = dims.iter().product();
    let values: Vec<f32> = (0..len).map(|i| ((i * 37 + salt * 11) % 29) as f32 / 7.0 - 2.0).collect();
    Tensor::from_vec(values, dims, &Device::Cpu).unwrap()
}

fn norms(tensor: &Tensor) -> Vec<f64> {
    let rows = tensor.to_dtype(DType::F64).unwrap().flatten_from(1).unwrap();
    rows.sqr().unwrap().sum(D::Minus1).unwrap().sqrt().unwrap().to_vec1().unwrap()
}

#[test]
fn rows_are_flattened_from_dimension_one_and_written_in_place() {
    let weight = Var::from_tensor(&tensor(&[5, 3, 2, 2], 0)).unwrap();
    let same_storage = weight.as_tensor().clone();
    let before = norms(&weight);
    let direction: Vec<f64> =
        values(&weight).chunks(12).zip(&before).flat_map(|(row, n)| row.iter().map(move |v| v / n)).collect();
    let rescaled = rescale_rows(&weight).unwrap();
    assert_eq!(rescaled.skipped, 0);
    for (got, expected) in values(&same_storage).iter().zip(direction) {
        assert!((got - expected).abs() < 1e-7);
    }
    assert!(rescaled.norms.iter().zip(before).all(|(got, expected)| (got - expected).abs() < 1e-6 * expected));
}

#[test]
fn every_float_type_and_the_way_for_other_devices_agree() {
    for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-6), (DType::F16, 2e-3), (DType::BF16, 2e-2)] {
        let mut start = tensor(&[4, 6], 1);
        start = start.slice_assign(&[1..2, 0..6], &Tensor::zeros((1, 6), DType::F32, &Device::Cpu).unwrap()).unwrap();
        let start = start.to_dtype(dtype).unwrap();
        let (a, b) = (Var::from_tensor(&start).unwrap(), start.copy().unwrap());
        let public = rescale_rows(&a).unwrap();
        let fallback = rescale_on_device(&b).unwrap();
        assert_eq!((public.skipped, fallback.skipped, public.factors[1]), (1, 1, 1.0));
        for rescaled in [a.as_tensor(), &b] {
            let norms = norms(rescaled);
            assert_eq!(norms[1], 0.0);
            assert!([0, 2, 3].iter().all(|&row: &usize| (norms[row] - 1.0).abs() < tolerance), "{dtype:?}: {norms:?}");
        }
    }
}

#[test]
fn vectors_integers_and_views_are_refused() {
    assert!(rescale_rows(&tensor(&[4], 0)).is_err());
    assert!(rescale_rows(&tensor(&[4, 2], 0).to_dtype(DType::U32).unwrap()).is_err());
    let refusal = rescale_rows(&tensor(&[4, 2], 0).t().unwrap()).unwrap_err();
    assert!(refusal.to_string().contains("contiguous"), "{refusal}");
    // A view of whole rows is contiguous: only they are touched.
    let whole = tensor(&[4, 2], 0);
    rescale_rows(&whole.narrow(0, 1, 2).unwrap()).unwrap();
    let (before, after) = (norms(&tensor(&[4, 2], 0)), norms(&whole));
    assert_eq!((after[0], after[3]), (before[0], before[3]));
    assert!((after[1] - 1.0).abs() < 1e-6 && (after[2] - 1.0).abs() < 1e-6);
}

/// A linear layer that feeds a batch norm, and a head.
struct Net {
    weight: Var,
    bias: Var,
    norm: BatchNorm,
    head: Var,
}

impl Net {
    fn new() -> Self {
        let ones = Tensor::ones(4, DType::F32, &Device::Cpu).unwrap();
        let mean = tensor(&[4], 5);
        let norm = BatchNorm::new_no_bias(4, mean, (ones * 2.0).unwrap(), 1e-9).unwrap();
        let [weight, bias, head] =
            [tensor(&[4, 3], 2), tensor(&[4], 3), tensor(&[1, 4], 4)].map(|t| Var::from_tensor(&t).unwrap());
        Self { weight, bias, norm, head }
    }

    fn filter(&self) -> CandleFilter {
        CandleFilter { weight: self.weight.clone(), bias: Some(self.bias.clone()), norms: vec![self.norm.clone()] }
    }

    fn vars(&self) -> Vec<Var> {
        vec![self.weight.clone(), self.bias.clone(), self.head.clone()]
    }

    fn forward(&self, x: &Tensor, train: bool) -> Tensor {
        let hidden = x.matmul(&self.weight.t().unwrap()).unwrap().broadcast_add(&self.bias).unwrap();
        let hidden = self.norm.forward_t(&hidden, train).unwrap().tanh().unwrap();
        hidden.matmul(&self.head.t().unwrap()).unwrap()
    }

    fn loss(&self) -> Tensor {
        self.forward(&tensor(&[8, 3], 6), true).sqr().unwrap().mean_all().unwrap()
    }
}

#[test]
fn the_adapter_trains_and_rescales_every_tau_steps_what_it_is_told_to() {
    let net = Net::new();
    let config = ParamsAdamW { lr: 0.05, weight_decay: 0.0, ..ParamsAdamW::default() };
    let config = CandleWrsConfig { inner: config, filters: vec![net.filter()], tau: tau(3) };
    let mut optimizer = CandleWrs::<candle_nn::AdamW>::new(net.vars(), config).unwrap();
    let first: f32 = net.loss().to_scalar().unwrap();
    let head = norms(&net.head);
    for step in 1..=9 {
        optimizer.backward_step(&net.loss()).unwrap();
        let is_unit = norms(&net.weight).iter().all(|norm| (norm - 1.0).abs() < 1e-6);
        assert_eq!(is_unit, step % 3 == 0, "step {step}");
    }
    assert!((norms(&net.head)[0] - 1.0).abs() > 1e-3 && norms(&net.head) != head);
    assert_eq!((optimizer.steps(), optimizer.last_rescale()[0].norms.len()), (9, 4));
    let last: f32 = net.loss().to_scalar().unwrap();
    assert!(last < 0.5 * first, "{first} to {last}");
    optimizer.set_learning_rate(0.01);
    assert_eq!((optimizer.learning_rate(), optimizer.inner().learning_rate()), (0.01, 0.01));
}

#[test]
fn evaluation_mode_is_unchanged_when_the_norm_is_named_and_not_otherwise() {
    let x = tensor(&[8, 3], 7);
    let change = |filter: &dyn Fn(&Net) -> CandleFilter| {
        let net = Net::new();
        let before = values(&net.forward(&x, false));
        let mut optimizer = CandleWrs::wrap(SGD::new(net.vars(), 0.0).unwrap(), vec![filter(&net)], tau(1)).unwrap();
        optimizer.step(&net.forward(&x, false).sum_all().unwrap().backward().unwrap()).unwrap();
        let after = values(&net.forward(&x, false));
        before.iter().zip(after).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    assert!(change(&Net::filter) < 1e-5);
    assert!(change(&|net| net.weight.clone().into()) > 1e-2);
}

#[test]
fn a_counter_that_is_restored_keeps_the_rhythm() {
    let net = Net::new();
    let mut optimizer =
        CandleWrs::wrap(SGD::new(net.vars(), 0.0).unwrap(), vec![net.weight.clone().into()], tau(4)).unwrap();
    optimizer.set_steps(3);
    optimizer.backward_step(&net.loss()).unwrap();
    assert_eq!((optimizer.steps(), optimizer.last_rescale().len()), (4, 1));
}

#[test]
fn vectors_and_weights_listed_twice_are_refused() {
    let net = Net::new();
    let wrap = |filters| CandleWrs::wrap(SGD::new(net.vars(), 0.1).unwrap(), filters, tau(1));
    assert!(wrap(vec![net.bias.clone().into()]).is_err());
    assert!(wrap(vec![net.filter(), net.weight.clone().into()]).is_err());
}
