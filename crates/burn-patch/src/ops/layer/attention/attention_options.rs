//! The settings of attention.

use burn::backend::Dispatch;
use burn::tensor::{DType, Tensor};

use crate::Error;
use crate::grid::nonzero;
use crate::ops::Bias;
use crate::ops::layer::attention::attention_inputs::AttentionInputs;
use crate::ops::layer::attention::attention_sizes::AttentionSizes;
use crate::ops::layer::attention::qkv::Qkv;
use crate::ops::layer::attention::reach::Reach;

/// Settings of [`attention`](crate::ops::attention).
#[derive(Debug, Clone)]
pub struct AttentionOptions {
    /// Number of heads.
    pub heads: usize,
    /// What products of query and key are multiplied by; none: `width^(−1/2)`.
    pub scale: Option<f64>,
    /// Added to the scores, `[1|batch, 1|heads, queries, keys]`: relative positions.
    pub bias: Option<Tensor<4>>,
    /// Added to the scores of each key, `[1|batch, keys]`: logarithms of sizes or of weights.
    pub key_bias: Option<Tensor<2>>,
    /// Which keys a query reaches.
    pub reach: Reach,
}

impl AttentionOptions {
    /// Plain attention with so many heads.
    pub fn new(heads: usize) -> Self {
        Self {
            heads,
            scale: None,
            bias: None,
            key_bias: None,
            reach: Reach::All,
        }
    }

    /// Sets what products of query and key are multiplied by; none: `width^(−1/2)`.
    pub fn with_scale(self, scale: Option<f64>) -> Self {
        Self { scale, ..self }
    }

    /// Sets what is added to the scores, `[1|batch, 1|heads, queries, keys]`.
    pub fn with_bias(self, bias: Option<Tensor<4>>) -> Self {
        Self { bias, ..self }
    }

    /// Sets what is added to the scores of each key, `[1|batch, keys]`.
    pub fn with_key_bias(self, key_bias: Option<Tensor<2>>) -> Self {
        Self { key_bias, ..self }
    }

    /// Sets which keys a query reaches.
    pub fn with_reach(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    /// What a backend gets, checked.
    pub(crate) fn try_into_inputs(self, qkv: Qkv) -> Result<AttentionInputs<Dispatch>, Error> {
        check_qkv(&qkv, self.heads)?;
        let qkv = qkv.into_primitive();
        let (sizes, dtype) = (qkv.sizes(self.heads), qkv.dtype());
        self.check(&sizes)?;
        Ok(AttentionInputs {
            qkv,
            bias: optional(self.bias, dtype),
            key_bias: optional(self.key_bias, dtype),
            reach: self.reach.into_primitive(),
            heads: self.heads,
            scale: self.scale.unwrap_or((sizes.width as f64).powf(-0.5)),
        })
    }

    fn check(&self, sizes: &AttentionSizes) -> Result<(), Error> {
        let &AttentionSizes {
            batch,
            queries,
            keys,
            heads,
            ..
        } = sizes;
        if let Some(bias) = &self.bias {
            let [images, planes, ..] = bias.dims();
            let of = [shared(images, batch), shared(planes, heads), queries, keys];
            same_shape("bias", of, bias.dims())?;
        }
        if let Some(key_bias) = &self.key_bias {
            let [images, _] = key_bias.dims();
            same_shape("key bias", [shared(images, batch), keys], key_bias.dims())?;
        }
        match &self.reach {
            Reach::All => Ok(()),
            Reach::Valid(valid) => same_shape("valid keys", [batch, keys], valid.dims()),
            Reach::Segments {
                queries: numbers,
                keys: key_numbers,
                spans,
            } => {
                same_shape("segments of queries", [batch, queries], numbers.dims())?;
                same_shape("segments of keys", [batch, keys], key_numbers.dims())?;
                match spans {
                    Some(spans) => spans.check([batch, queries, keys]),
                    None => Ok(()),
                }
            }
        }
    }
}

fn check_qkv(qkv: &Qkv, heads: usize) -> Result<(), Error> {
    let (columns, parts) = match qkv {
        Qkv::Fused(qkv) => {
            let [_, _, columns] = qkv.dims();
            (columns, 3)
        }
        Qkv::Apart { query, key, value } => {
            let [batch, _, columns] = query.dims();
            let [_, keys, _] = key.dims();
            same_shape("key", [batch, keys, columns], key.dims())?;
            same_shape("value", [batch, keys, columns], value.dims())?;
            same_type("key", query.dtype(), key.dtype())?;
            same_type("value", query.dtype(), value.dtype())?;
            (columns, 1)
        }
    };
    nonzero("heads", &[heads])?;
    if !columns.is_multiple_of(parts * heads) {
        return Err(Error::Indivisible {
            what: "heads in the last axis of query, key and value",
            divisor: parts * heads,
            got: columns,
        });
    }
    nonzero("width", &[columns / parts / heads])
}

/// The length that an axis should have which may be 1 instead.
fn shared(got: usize, len: usize) -> usize {
    if got == 1 { 1 } else { len }
}

fn same_shape<const D: usize>(
    what: &'static str,
    expected: [usize; D],
    got: [usize; D],
) -> Result<(), Error> {
    match expected == got {
        true => Ok(()),
        false => Err(Error::Shape {
            what,
            expected: expected.to_vec(),
            got: got.to_vec(),
        }),
    }
}

fn same_type(what: &'static str, expected: DType, got: DType) -> Result<(), Error> {
    match expected == got {
        true => Ok(()),
        false => Err(Error::Type {
            what,
            expected,
            got,
        }),
    }
}

fn optional<const D: usize>(bias: Option<Tensor<D>>, dtype: DType) -> Bias<Dispatch> {
    match bias {
        Some(bias) => Bias::Present(bias.cast(dtype).into_dispatch()),
        None => Bias::Absent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Int};
    use std::sync::Arc;

    use crate::ops::{Span, Spans};

    fn error(options: AttentionOptions) -> String {
        let device = Device::flex();
        let part = |tokens: usize| Tensor::zeros([2, tokens, 12], &device);
        let qkv = Qkv::Apart {
            query: part(3),
            key: part(5),
            value: part(5),
        };
        options.try_into_inputs(qkv).unwrap_err().to_string()
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let device = Device::flex();
        let options = || AttentionOptions::new(4);
        let bias = |shape: [usize; 4]| options().with_bias(Some(Tensor::zeros(shape, &device)));
        let numbers = |tokens: usize| Tensor::<2, Int>::zeros([2, tokens], &device);
        let segments = |queries: usize, keys: usize, lengths: &[Vec<usize>]| {
            options().with_reach(Reach::Segments {
                queries: numbers(queries),
                keys: numbers(keys),
                spans: Some(Arc::new(Spans::packed(lengths))),
            })
        };
        let valid = Tensor::<2, Int>::ones([2, 3], &device).bool();
        let short = [vec![3], vec![1]];
        for (options, want) in [
            (AttentionOptions::new(0), "heads must be at least 1"),
            (
                AttentionOptions::new(5),
                "heads in the last axis of query, key and value: expected a dimension divisible by 5, got 12",
            ),
            (
                bias([2, 3, 3, 5]),
                "bias: expected [2, 4, 3, 5], got [2, 3, 3, 5]",
            ),
            (
                bias([1, 1, 3, 4]),
                "bias: expected [1, 1, 3, 5], got [1, 1, 3, 4]",
            ),
            (
                options().with_key_bias(Some(Tensor::zeros([3, 5], &device))),
                "key bias: expected [2, 5], got [3, 5]",
            ),
            (
                options().with_reach(Reach::Valid(valid)),
                "valid keys: expected [2, 5], got [2, 3]",
            ),
            (
                segments(4, 5, &short),
                "segments of queries: expected [2, 3], got [2, 4]",
            ),
            (
                segments(3, 3, &short),
                "segments of keys: expected [2, 5], got [2, 3]",
            ),
            (
                segments(3, 5, &short[..1]),
                "spans: expected [2, 3, 5], got [1, 3, 3]",
            ),
            (
                segments(3, 5, &[vec![4], vec![]]),
                "spans: expected [2, 3, 5], got [2, 4, 4]",
            ),
        ] {
            let got = error(options);
            assert!(got.starts_with(want), "{got}");
        }
    }

    #[test]
    fn a_key_of_another_type_is_refused() {
        let device = Device::flex();
        let part = |dtype| Tensor::zeros([2, 3, 12], (&device, dtype));
        let qkv = Qkv::Apart {
            query: part(DType::F32),
            key: part(DType::F16),
            value: part(DType::F32),
        };
        let error = AttentionOptions::new(4).try_into_inputs(qkv).unwrap_err();
        assert_eq!(
            error.to_string(),
            "key: expected numbers of type F32, got F16"
        );
    }

    #[test]
    fn heads_of_no_width_are_refused() {
        let qkv = Tensor::zeros([1, 2, 0], &Device::flex());
        let inputs = AttentionOptions::new(2).try_into_inputs(Qkv::Fused(qkv));
        let got = inputs.unwrap_err().to_string();
        assert_eq!(got, "width must be at least 1, got [0]");
    }

    #[test]
    fn segments_that_share_a_token_are_refused() {
        let span = |queries, keys| Span::new(vec![queries], vec![keys]);
        let apart = [span(0..3, 0..5)];
        for (spans, want) in [
            (
                [span(1..3, 2..4), span(0..2, 0..2)],
                "spans of image 1: expected each query in one segment, got 1 in several",
            ),
            (
                [span(0..1, 0..4), span(1..2, 2..3)],
                "spans of image 1: expected each key in one segment, got 2 in several",
            ),
        ] {
            let numbers = |tokens: usize| Tensor::<2, Int>::zeros([2, tokens], &Device::flex());
            let options = AttentionOptions::new(4).with_reach(Reach::Segments {
                queries: numbers(3),
                keys: numbers(5),
                spans: Some(Arc::new(Spans::new(vec![apart.to_vec(), spans.to_vec()]))),
            });
            assert_eq!(error(options), want);
        }
    }

    #[test]
    fn a_bias_of_another_type_is_cast() {
        let device = Device::flex();
        let qkv = Tensor::zeros([1, 2, 6], (&device, DType::F16));
        let bias = Tensor::zeros([1, 1, 2, 2], (&device, DType::F32));
        let options = AttentionOptions::new(1).with_bias(Some(bias));
        let out = crate::ops::attention(Qkv::Fused(qkv), options);
        assert_eq!(out.dtype(), DType::F16);
    }
}
