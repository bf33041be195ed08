//! Learned queries that pool tokens.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::grid::nonzero;
use crate::layers::linear::{PYTORCH, apply, linear};
use crate::or_panic::OrPanic;
use crate::reduce::pool::pooling::{pooled, score, softmax_over_places};
use crate::reduce::pool::token_pool::{TokenPool, expect_fit};
use crate::{Error, Tokens};

/// What a query's product with a token is multiplied by before the softmax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum QueryScale {
    /// 1, the plain product.
    #[default]
    One,
    /// `1/√dim`, as in attention.
    RootDim,
}

impl QueryScale {
    fn factor(self, dim: usize) -> f64 {
        match self {
            Self::One => 1.0,
            Self::RootDim => (dim as f64).powf(-0.5),
        }
    }
}

/// Configuration of [`QueryPool`].
#[derive(Config, Debug)]
pub struct QueryPoolConfig {
    /// Number of queries, and of tokens that come out.
    pub queries: usize,
    /// Width of the tokens.
    pub dim: usize,
    /// Width of a projection after the sum; none: no projection.
    pub output: Option<usize>,
    /// Scale of the products.
    #[config(default = "QueryScale::One")]
    pub scale: QueryScale,
}

/// Pools tokens by learned queries: one softmax over all places per query.
///
/// The plainest content-aware aggregation: attention pooling without keys, values or normalisation (compare
/// Lee et al., [Set Transformer](https://arxiv.org/abs/1810.00825), section 3.2). On the tokens of 1×1 patches
/// ([`patchify`](crate::embed::patchify)) it sums pixels, on those of any embedding, patches.
///
/// # Shapes
///
/// - tokens `[batch, tokens, dim]`
/// - result `[batch, queries, dim]`, or `output` wide
///
/// # Equation
///
/// `αₖᵢ = exp(s·qₖ·xᵢ)/Σⱼ exp(s·qₖ·xⱼ)`, `eₖ = W·(Σᵢ αₖᵢ xᵢ) + b`, with `s` from [`QueryScale`]
///
/// Queries start at `N(0, 1/(s²·dim))`, so that products with tokens of unit variance have it too; the projection as
/// a PyTorch `Linear`. Weights see content alone: positions must have been added before.
///
/// # Departures
///
/// A projection to another width takes the prefix tokens along.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{FlatOrder, patchify};
/// use burn_patch::reduce::{QueryPoolConfig, TokenPool};
///
/// let device = Device::flex();
/// let pixels = patchify(Tensor::ones([2, 3, 8, 8], &device), [1, 1], FlatOrder::default()).unwrap();
/// let pool = QueryPoolConfig::new(4, 3).with_output(Some(16)).init(&device);
/// assert_eq!(pool.forward(pixels).embeddings().dims(), [2, 4, 16]);
/// ```
#[derive(Module, Debug)]
pub struct QueryPool {
    /// The queries, `[queries, dim]`.
    pub queries: Param<Tensor<2>>,
    /// The projection after the sum.
    pub proj: Option<Linear>,
    #[module(skip)]
    scale: QueryScale,
}

impl QueryPoolConfig {
    /// As many queries as `tokens`, with the usual settings.
    pub fn for_tokens(tokens: usize, dim: usize) -> Self {
        Self::new(tokens, dim)
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for no queries or a zero width.
    pub fn try_init(&self, device: &Device) -> Result<QueryPool, Error> {
        nonzero("queries and dim", &[self.queries, self.dim])?;
        nonzero("output", &[self.output.unwrap_or(1)])?;
        let root = (self.dim as f64).sqrt();
        let queries = Initializer::Normal {
            mean: 0.0,
            std: 1.0 / (root * self.scale.factor(self.dim)),
        };
        Ok(QueryPool {
            queries: queries.init([self.queries, self.dim], device),
            proj: self
                .output
                .map(|output| linear([self.dim, output], PYTORCH, Some(PYTORCH), device)),
            scale: self.scale,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> QueryPool {
        self.try_init(device).or_panic()
    }
}

impl QueryPool {
    fn project(&self, x: Tensor<3>) -> Tensor<3> {
        match &self.proj {
            Some(proj) => apply(proj, x),
            None => x,
        }
    }
}

impl TokenPool for QueryPool {
    fn dim(&self) -> usize {
        self.queries.dims()[1]
    }

    fn output_dim(&self) -> usize {
        match &self.proj {
            Some(proj) => proj.weight.dims()[1],
            None => self.dim(),
        }
    }

    fn tokens(&self) -> usize {
        self.queries.dims()[0]
    }

    fn forward_with_weights(&self, tokens: Tokens) -> (Tokens, Tensor<3>) {
        expect_fit(self, &tokens);
        let places = tokens.patch_embeddings();
        let scores = score(places.clone(), self.queries.val()) * self.scale.factor(self.dim());
        let weights = softmax_over_places(scores, &tokens);
        let embeddings = self.project(weights.clone().matmul(places));
        let prefix = tokens
            .prefix_embeddings()
            .map(|prefix| self.project(prefix));
        (pooled(&tokens, embeddings, prefix), weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::{FlatOrder, patchify};
    use burn::tensor::{Distribution, Tolerance};

    /// The formula over pixels, value by value on the host.
    #[test]
    fn on_pixels_it_is_the_formula_as_written() {
        let device = Device::flex();
        let images = Tensor::<4>::random([1, 3, 4, 5], Distribution::Default, &device);
        let pool = QueryPoolConfig::new(2, 3).init(&device);
        let pixels = patchify(images.clone(), [1, 1], FlatOrder::default()).unwrap();
        let got = pool.forward(pixels).into_embeddings().into_data();
        let [image, queries] = [images.into_data(), pool.queries.val().into_data()]
            .map(|data| data.try_to_vec_as::<f64>().unwrap());
        let pixel = |place: usize| [0, 1, 2].map(|channel| image[channel * 20 + place]);
        let want: Vec<f64> = queries
            .chunks(3)
            .flat_map(|query| {
                let score = |place: usize| -> f64 {
                    pixel(place).iter().zip(query).map(|(x, q)| x * q).sum()
                };
                let total: f64 = (0..20).map(|place| score(place).exp()).sum();
                [0, 1, 2].map(|channel| {
                    (0..20)
                        .map(|place| score(place).exp() / total * pixel(place)[channel])
                        .sum::<f64>()
                })
            })
            .collect();
        for (got, want) in got.try_to_vec_as::<f64>().unwrap().iter().zip(want) {
            assert!((got - want).abs() < 1e-6, "{got} against {want}");
        }
    }

    #[test]
    fn a_query_of_zeros_gives_the_mean() {
        let device = Device::flex();
        let images = Tensor::random([2, 3, 4, 5], Distribution::Default, &device);
        let mut pool = QueryPoolConfig::new(1, 3).init(&device);
        pool.queries = Param::from_tensor(Tensor::zeros([1, 3], &device));
        let pixels = patchify(images, [1, 1], FlatOrder::default()).unwrap();
        let mean = pixels.mean();
        let pooled = pool.forward(pixels).into_embeddings().squeeze_dim::<2>(1);
        pooled
            .into_data()
            .assert_approx_eq(&mean.into_data(), Tolerance::<f32>::rel_abs(1e-5, 1e-6));
    }

    #[test]
    fn the_prefix_stays_in_front_and_takes_the_new_width() {
        let device = Device::flex();
        let pool = QueryPoolConfig::new(2, 3)
            .with_output(Some(5))
            .init(&device);
        let images = Tensor::ones([2, 3, 4, 5], &device);
        let class = Tensor::random([1, 1, 3], Distribution::Default, &device);
        let pixels = patchify(images, [1, 1], FlatOrder::default())
            .unwrap()
            .with_prefix(class.clone());
        let pooled = pool.forward(pixels);
        assert_eq!(pooled.embeddings().dims(), [2, 3, 5]);
        let want = apply(pool.proj.as_ref().unwrap(), class.expand([2, 1, 3]));
        pooled
            .prefix_embeddings()
            .unwrap()
            .into_data()
            .assert_approx_eq(&want.into_data(), Tolerance::<f32>::rel_abs(1e-6, 1e-7));
    }

    #[test]
    #[should_panic(expected = "width of the tokens to reduce: expected [4], got [3]")]
    fn tokens_of_another_width_are_refused() {
        let device = Device::flex();
        let pixels = patchify(
            Tensor::ones([1, 3, 2, 2], &device),
            [1, 1],
            FlatOrder::default(),
        );
        QueryPoolConfig::new(2, 4)
            .init(&device)
            .forward(pixels.unwrap());
    }

    #[test]
    fn no_queries_are_an_error() {
        let error = QueryPoolConfig::new(0, 3).try_init(&Device::flex());
        assert!(matches!(error, Err(Error::Zero { .. })));
    }
}
