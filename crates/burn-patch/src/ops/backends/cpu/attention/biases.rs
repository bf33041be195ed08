//! What is added to the scores of a head.

use crate::ops::backends::cpu::attention::inputs::{Inputs, ScoreBias};
use crate::ops::backends::cpu::attention::part::Part;
use crate::ops::backends::cpu::real::Real;

/// The biases of one head of a part of an image.
#[derive(Clone, Copy)]
pub(super) struct Biases<'a, T> {
    /// `[queries, keys]` of the whole image.
    bias: Option<&'a [T]>,
    /// `[keys]` of the whole image.
    key_bias: Option<&'a [T]>,
    keys: usize,
    part: &'a Part,
}

impl<'a, T: Real> Biases<'a, T> {
    pub(super) fn of(inputs: &Inputs<'a, T>, image: usize, head: usize, part: &'a Part) -> Self {
        let (queries, keys) = (inputs.sizes.queries, inputs.sizes.keys);
        let bias = inputs.bias.map(|bias| {
            let ScoreBias {
                values,
                images,
                heads,
            } = bias;
            let plane = image % images * heads + head % heads;
            &values[plane * queries * keys..][..queries * keys]
        });
        let key_bias = inputs.key_bias.map(|values| {
            let images = values.len() / keys;
            &values[image % images * keys..][..keys]
        });
        Self {
            bias,
            key_bias,
            keys,
            part,
        }
    }

    /// Adds to the scores of the part's query at `index`.
    #[inline(always)]
    pub(super) fn add(&self, index: usize, scores: &mut [T]) {
        if let Some(bias) = self.bias {
            let row = self.part.queries.at(index) * self.keys;
            self.part.keys.gather(&bias[row..][..self.keys], scores);
        }
        if let Some(key_bias) = self.key_bias {
            self.part.keys.gather(key_bias, scores);
        }
    }
}
