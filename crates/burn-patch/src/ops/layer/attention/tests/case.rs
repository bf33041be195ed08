//! What the tests run: settings, inputs by formula, and the formula of attention part by part.

use std::sync::Arc;

use burn::tensor::activation::softmax;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::ops::{AttentionOptions, Qkv, Reach, Spans, attention};

/// Settings of one run.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) batch: usize,
    pub(super) queries: usize,
    pub(super) keys: usize,
    pub(super) heads: usize,
    pub(super) width: usize,
    pub(super) fused: bool,
    pub(super) scale: Option<f64>,
    /// Images and heads of the bias.
    pub(super) bias: Option<[usize; 2]>,
    /// Images of the keys' bias.
    pub(super) key_bias: Option<usize>,
    pub(super) reach: Reaching,
}

/// Which keys a query reaches, on the host.
#[derive(Debug, Clone)]
pub(super) enum Reaching {
    All,
    Valid(Vec<bool>),
    Segments {
        queries: Vec<i64>,
        keys: Vec<i64>,
        spans: bool,
    },
}

const FUSED: Case = Case {
    name: "fused",
    batch: 2,
    queries: 5,
    keys: 5,
    heads: 2,
    width: 3,
    fused: true,
    scale: None,
    bias: None,
    key_bias: None,
    reach: Reaching::All,
};

const APART: Case = Case {
    name: "apart",
    queries: 3,
    keys: 7,
    fused: false,
    ..FUSED
};

/// Small ones, of every kind.
pub(super) fn cases() -> Vec<Case> {
    let biased = |name, bias, key_bias, base: Case| Case {
        name,
        bias,
        key_bias,
        ..base
    };
    let mut cases = vec![
        FUSED,
        APART,
        Case {
            name: "another scale",
            scale: Some(-1.7),
            ..FUSED
        },
        biased("bias", Some([1, 2]), None, FUSED),
        biased("bias for all heads", Some([1, 1]), None, APART),
        biased("bias of each image", Some([2, 2]), None, APART),
        biased(
            "bias of each image for all heads",
            Some([2, 1]),
            None,
            FUSED,
        ),
        biased("key bias", None, Some(1), APART),
        biased("key bias of each image", None, Some(2), FUSED),
        biased("both biases", Some([1, 2]), Some(1), APART),
    ];
    cases.extend(valid_cases());
    cases.extend(segment_cases());
    cases
}

fn valid_cases() -> Vec<Case> {
    let (t, f) = (true, false);
    let fused = vec![t, t, t, f, f, t, f, t, t, f];
    let apart = vec![t, t, t, t, t, f, f, f, t, f, t, t, f, t];
    let none = vec![f, f, f, f, f, t, t, f, f, f];
    let with = |name, valid: &[bool], base: Case| Case {
        name,
        reach: Reaching::Valid(valid.to_vec()),
        bias: Some([1, 2]),
        key_bias: Some(2),
        ..base
    };
    vec![
        with("valid", &fused, FUSED),
        with("valid, apart", &apart, APART),
        with("nothing valid", &none, FUSED),
        Case {
            bias: Some([2, 2]),
            key_bias: None,
            ..with("valid, bias of each image", &apart, APART)
        },
    ]
}

fn segment_cases() -> Vec<Case> {
    let packed = vec![0, 0, 3, 3, -1, 1, 1, 1, 1, 0];
    let mixed = vec![4, 0, 4, 0, 0, 2, -1, 2, 5, 2];
    // The second query's segment has no key, the last image's third is padding.
    let queries = vec![0, 9, 1, 2, 2, -1];
    let keys = vec![1, 1, 0, -1, 0, 0, 3, 2, -1, -1, -1, -1, -1, 2];
    let with = |name, queries: &[i64], keys: &[i64], spans, base: Case| Case {
        name,
        reach: Reaching::Segments {
            queries: queries.to_vec(),
            keys: keys.to_vec(),
            spans,
        },
        bias: Some([1, 2]),
        key_bias: Some(1),
        ..base
    };
    vec![
        with("segments", &packed, &packed, false, FUSED),
        with("segments with spans", &packed, &packed, true, FUSED),
        with("mixed segments", &mixed, &mixed, false, FUSED),
        with("mixed segments with spans", &mixed, &mixed, true, FUSED),
        with("segments, apart", &queries, &keys, false, APART),
        with("segments with spans, apart", &queries, &keys, true, APART),
        Case {
            bias: Some([2, 1]),
            key_bias: Some(2),
            ..with("segments, bias of each image", &mixed, &mixed, false, FUSED)
        },
    ]
}

/// More tokens than one block of scores takes, in `f64` and in `f32`.
pub(super) fn large_cases() -> Vec<Case> {
    let tokens = 300;
    let large = Case {
        name: "large",
        queries: tokens,
        keys: tokens,
        heads: 3,
        ..FUSED
    };
    let segments: Vec<i64> = (0..2 * tokens).map(|token| token as i64 / 270).collect();
    let valid: Vec<bool> = (0..2 * tokens).map(|token| token % 17 != 0).collect();
    vec![
        large.clone(),
        Case {
            name: "large, biases",
            bias: Some([1, 3]),
            key_bias: Some(1),
            ..large.clone()
        },
        Case {
            name: "large, valid",
            bias: Some([1, 1]),
            reach: Reaching::Valid(valid),
            ..large.clone()
        },
        Case {
            name: "large, segments",
            key_bias: Some(2),
            reach: Reaching::Segments {
                queries: segments.clone(),
                keys: segments,
                spans: true,
            },
            ..large
        },
    ]
}

impl Case {
    fn dim(&self) -> usize {
        self.heads * self.width
    }

    /// Lengths of the inputs: query, key and value, one or three, then the biases.
    pub(super) fn lengths(&self) -> Vec<usize> {
        let (queries, keys) = (self.batch * self.queries, self.batch * self.keys);
        let mut lengths = match self.fused {
            true => vec![3 * queries * self.dim()],
            false => vec![queries * self.dim(), keys * self.dim(), keys * self.dim()],
        };
        let plane = self.queries * self.keys;
        lengths.extend(self.bias.map(|[images, heads]| images * heads * plane));
        lengths.extend(self.key_bias.map(|images| images * self.keys));
        lengths
    }

    /// Inputs by formula, between −1.5 and 1.5.
    pub(super) fn inputs(&self) -> Vec<Vec<f64>> {
        let lengths = self.lengths().into_iter().enumerate();
        lengths
            .map(|(input, len)| numbers(len, 31 * input + 7))
            .collect()
    }

    /// Factors that make one number of the result, in which every value matters differently.
    pub(super) fn factors(&self) -> Vec<f64> {
        numbers(self.batch * self.queries * self.dim(), 501)
    }

    /// The operation.
    pub(super) fn run(&self, inputs: &[Tensor<1>]) -> Tensor<3> {
        let (qkv, options) = self.arguments(inputs);
        attention(qkv, options)
    }

    /// What the operation takes.
    pub(super) fn arguments(&self, inputs: &[Tensor<1>]) -> (Qkv, AttentionOptions) {
        let device = inputs[0].device();
        let (batch, dim) = (self.batch, self.dim());
        let part =
            |index: usize, tokens: usize| inputs[index].clone().reshape([batch, tokens, dim]);
        let qkv = match self.fused {
            true => Qkv::Fused(inputs[0].clone().reshape([batch, self.queries, 3 * dim])),
            false => Qkv::Apart {
                query: part(0, self.queries),
                key: part(1, self.keys),
                value: part(2, self.keys),
            },
        };
        let (bias, key_bias) = self.biases(inputs);
        let options = AttentionOptions::new(self.heads)
            .with_scale(self.scale)
            .with_bias(bias)
            .with_key_bias(key_bias)
            .with_reach(self.reach(&device));
        (qkv, options)
    }

    fn biases(&self, inputs: &[Tensor<1>]) -> (Option<Tensor<4>>, Option<Tensor<2>>) {
        let mut inputs = inputs[if self.fused { 1 } else { 3 }..].iter().cloned();
        let bias = self.bias.map(|[images, heads]| {
            let bias = inputs.next().expect("a bias");
            bias.reshape([images, heads, self.queries, self.keys])
        });
        let key_bias = self.key_bias.map(|images| {
            let bias = inputs.next().expect("a key bias");
            bias.reshape([images, self.keys])
        });
        (bias, key_bias)
    }

    fn reach(&self, device: &Device) -> Reach {
        let numbers = |numbers: &[i64], tokens: usize| {
            let numbers = TensorData::new(numbers.to_vec(), [self.batch, tokens]);
            Tensor::<2, Int>::from_data(numbers, device)
        };
        match &self.reach {
            Reaching::All => Reach::All,
            Reaching::Valid(valid) => {
                let valid = TensorData::new(valid.clone(), [self.batch, self.keys]);
                Reach::Valid(Tensor::from_data(valid, device))
            }
            Reaching::Segments {
                queries,
                keys,
                spans,
            } => Reach::Segments {
                queries: numbers(queries, self.queries),
                keys: numbers(keys, self.keys),
                spans: spans.then(|| {
                    let queries: Vec<_> = queries.chunks(self.queries).collect();
                    let keys: Vec<_> = keys.chunks(self.keys).collect();
                    Arc::new(Spans::from_numbers(&queries, &keys))
                }),
            },
        }
    }

    /// Whether a query of an image reaches a key.
    pub(super) fn reaches(&self, image: usize, query: usize, key: usize) -> bool {
        let (query, key) = (image * self.queries + query, image * self.keys + key);
        match &self.reach {
            Reaching::All => true,
            Reaching::Valid(valid) => valid[key] && (!self.fused || valid[query]),
            Reaching::Segments { queries, keys, .. } => {
                queries[query] >= 0 && queries[query] == keys[key]
            }
        }
    }

    /// The formula, query by query over the keys in its reach.
    pub(super) fn formula(&self, inputs: &[Tensor<1>]) -> Tensor<3> {
        let images = (0..self.batch).map(|image| {
            let heads = (0..self.heads).map(|head| self.formula_of_head(inputs, image, head));
            Tensor::cat(heads.collect(), 1).unsqueeze_dim::<3>(0)
        });
        Tensor::cat(images.collect(), 0)
    }

    fn formula_of_head(&self, inputs: &[Tensor<1>], image: usize, head: usize) -> Tensor<2> {
        let device = inputs[0].device();
        let [query, key, value] = [0, 1, 2].map(|part| self.part(inputs, part, image, head));
        let (bias, key_bias) = self.biases(inputs);
        let plane = bias.map(|bias| {
            let [images, heads, ..] = bias.dims();
            let plane = bias.slice_dim(0, image % images..image % images + 1);
            let plane = plane.slice_dim(1, head % heads..head % heads + 1);
            plane.reshape([self.queries, self.keys])
        });
        let of_keys = key_bias.map(|bias| {
            let [images, _] = bias.dims();
            bias.slice_dim(0, image % images..image % images + 1)
        });
        let scale = self.scale.unwrap_or((self.width as f64).powf(-0.5));
        let mut out = query.zeros_like().without_autodiff();
        if query.device().is_autodiff() {
            out = out.autodiff();
        }
        for (queries, keys) in self.groups(image) {
            let indices = |list: &[usize]| {
                let list: Vec<i64> = list.iter().map(|index| *index as i64).collect();
                Tensor::<1, Int>::from_data(TensorData::from(list.as_slice()), &device)
            };
            let (rows, columns) = (indices(&queries), indices(&keys));
            let keys = key.clone().select(0, columns.clone());
            let mut scores = query
                .clone()
                .select(0, rows.clone())
                .matmul(keys.transpose())
                * scale;
            if let Some(plane) = &plane {
                scores = scores
                    + plane
                        .clone()
                        .select(0, rows.clone())
                        .select(1, columns.clone());
            }
            if let Some(of_keys) = &of_keys {
                scores = scores + of_keys.clone().select(1, columns.clone());
            }
            let attended = softmax(scores, 1).matmul(value.clone().select(0, columns));
            out = out.select_assign(0, rows, attended, burn::tensor::IndexingUpdateOp::Add);
        }
        out
    }

    /// Queries of an image that reach the same keys, and those.
    fn groups(&self, image: usize) -> Vec<(Vec<usize>, Vec<usize>)> {
        let mut groups: Vec<(Vec<usize>, Vec<usize>)> = Vec::new();
        for query in 0..self.queries {
            let keys = (0..self.keys).filter(|key| self.reaches(image, query, *key));
            let keys: Vec<usize> = keys.collect();
            if keys.is_empty() {
                continue;
            }
            match groups.iter_mut().find(|(_, other)| *other == keys) {
                Some((queries, _)) => queries.push(query),
                None => groups.push((vec![query], keys)),
            }
        }
        groups
    }

    /// Query, key or value of a head of an image.
    fn part(&self, inputs: &[Tensor<1>], part: usize, image: usize, head: usize) -> Tensor<2> {
        let tokens = if part == 0 { self.queries } else { self.keys };
        let (tensor, slot, slots) = match self.fused {
            true => (0, part, 3),
            false => (part, 0, 1),
        };
        let shape = [self.batch, tokens, slots, self.heads, self.width];
        let all = inputs[tensor].clone().reshape(shape);
        let one = all
            .slice_dim(0, image..image + 1)
            .slice_dim(2, slot..slot + 1);
        one.slice_dim(3, head..head + 1)
            .reshape([tokens, self.width])
    }
}

/// Values and gradients of a run, as numbers.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) values: Vec<f64>,
    pub(super) gradients: Vec<Vec<f64>>,
}

/// A way to compute a case: inputs, factors, type.
pub(super) type Way = fn(&Case, &[Vec<f64>], &[f64], DType) -> Outcome;

/// The operation on the tape.
pub(super) fn operation(
    case: &Case,
    inputs: &[Vec<f64>],
    factors: &[f64],
    dtype: DType,
) -> Outcome {
    outcome(case, inputs, factors, dtype, Case::run)
}

/// The formula in double precision, with Burn's own gradients.
pub(super) fn formula(case: &Case, inputs: &[Vec<f64>], factors: &[f64]) -> Outcome {
    outcome(case, inputs, factors, DType::F64, Case::formula)
}

/// Runs `function` on tracked inputs and back from the sum weighted by `factors`.
fn outcome(
    case: &Case,
    inputs: &[Vec<f64>],
    factors: &[f64],
    dtype: DType,
    function: impl Fn(&Case, &[Tensor<1>]) -> Tensor<3>,
) -> Outcome {
    let device = Device::flex().autodiff();
    let inputs: Vec<Tensor<1>> = inputs
        .iter()
        .map(|input| tensor(input, dtype, &device).require_grad())
        .collect();
    let out = function(case, &inputs);
    let factors = tensor(factors, dtype, &device).reshape(out.dims());
    let grads = (out.clone() * factors).sum().backward();
    let gradients = inputs.iter().map(|input| {
        let grad = input.grad(&grads).expect("tracked");
        floats(grad.into_data())
    });
    Outcome {
        values: floats(out.into_data()),
        gradients: gradients.collect(),
    }
}

pub(super) fn tensor(values: &[f64], dtype: DType, device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::from(values), (device, dtype))
}

pub(super) fn floats(data: TensorData) -> Vec<f64> {
    data.try_to_vec_as().expect("floats")
}

/// NaN and infinities at the same places, the rest within `tolerance` of the largest.
pub(super) fn assert_same(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    let finite = want.iter().filter(|value| value.is_finite());
    let largest = finite.fold(0.0f64, |most, value| most.max(value.abs()));
    for (index, (got, want)) in got.iter().zip(want).enumerate() {
        let same = match want.is_finite() {
            true => (got - want).abs() <= tolerance * largest,
            false => got == want || (got.is_nan() && want.is_nan()),
        };
        assert!(same, "{what}, value {index}: {got} instead of {want}");
    }
}

/// [`assert_same`] of values and all gradients.
pub(super) fn assert_same_outcome(what: &str, got: &Outcome, want: &Outcome, tolerance: f64) {
    assert_same(
        &format!("{what}, values"),
        &got.values,
        &want.values,
        tolerance,
    );
    for (index, (got, want)) in got.gradients.iter().zip(&want.gradients).enumerate() {
        assert_same(&format!("{what}, gradient {index}"), got, want, tolerance);
    }
}

fn numbers(len: usize, seed: usize) -> Vec<f64> {
    (0..len)
        .map(|index| ((7919 * index + 104_729 * seed) % 2003) as f64 / 2003.0 * 3.0 - 1.5)
        .collect()
}
