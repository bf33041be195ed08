//! Gradients of attention. The weights are computed again.
//!
//! With `P = softmax(S)`: `∂V = Pᵀ·∂O`, `∂P = ∂O·Vᵀ`, `∂S = P∘(∂P − rowsum(∂P∘P))`, `∂Q = scale·∂S·K`,
//! `∂K = scale·∂Sᵀ·Q`; the biases' gradients are sums of `∂S`.
//!
//! Threads take images. Where images share a bias, they take heads, so that its gradient is a sum over the images in
//! one order, whoever computes it.

use std::ops::Range;

use faer::{Accum, MatMut, MatRef};
use rayon::prelude::*;

use crate::ops::TrackedBiases;
use crate::ops::backends::cpu::attention::biases::Biases;
use crate::ops::backends::cpu::attention::inputs::{Inputs, Operand, Place, View};
use crate::ops::backends::cpu::attention::part::Part;
use crate::ops::backends::cpu::attention::rows::Rows;
use crate::ops::backends::cpu::attention::scores::{block, softmax_grad, weights};
use crate::ops::backends::cpu::attention::target::{Apart, Target};
use crate::ops::backends::cpu::block::{add, blocks, multiply};
use crate::ops::backends::cpu::real::Real;
use crate::ops::backends::cpu::zeros::zeros;

/// Gradients of what is read, in the same shapes.
pub(super) struct Grads<T> {
    pub(super) qkv: Vec<Vec<T>>,
    pub(super) bias: Option<Vec<T>>,
    pub(super) key_bias: Option<Vec<T>>,
}

pub(super) fn attention_grads<T: Real>(
    inputs: &Inputs<'_, T>,
    grad: &[T],
    tracked: TrackedBiases,
) -> Grads<T> {
    let (batch, keys) = (inputs.sizes.batch, inputs.sizes.keys);
    let shared = inputs.bias.is_some_and(|bias| bias.images < batch);
    let mut grads = match tracked.bias && shared {
        true => by_heads(inputs, grad, tracked),
        false => by_images(inputs, grad, tracked),
    };
    let shared = inputs.key_bias.is_some_and(|bias| bias.len() == keys);
    if shared && let Some(key_bias) = grads.key_bias {
        grads.key_bias = Some(sum_of(key_bias.chunks_exact(keys), keys));
    }
    grads
}

/// Each image's gradients, all heads; that of the keys' bias `[batch, keys]`.
fn by_images<T: Real>(inputs: &Inputs<'_, T>, grad: &[T], tracked: TrackedBiases) -> Grads<T> {
    let (batch, keys) = (inputs.sizes.batch, inputs.sizes.keys);
    let mut qkv: Vec<Vec<T>> = inputs.qkv.iter().map(|part| zeros(part.len())).collect();
    let bias = inputs.bias.filter(|_| tracked.bias);
    let mut bias = bias.map(|bias| zeros(bias.values.len()));
    let mut key_bias = tracked.key_bias.then(|| zeros(batch * keys));

    let mut parts: Vec<_> = qkv
        .iter_mut()
        .map(|part| image_chunks(part, batch))
        .collect();
    let mut biases = bias.as_mut().map(|bias| image_chunks(bias, batch));
    let mut key_biases = key_bias.as_mut().map(|bias| image_chunks(bias, batch));
    let targets = (0..batch).map(|_| Target {
        heads: 0..inputs.sizes.heads,
        qkv: parts.iter_mut().filter_map(Iterator::next).collect(),
        bias: biases.as_mut().and_then(Iterator::next),
        key_bias: key_biases.as_mut().and_then(Iterator::next),
    });
    let targets: Vec<_> = targets.collect();
    let images = targets.into_par_iter().enumerate();
    images.for_each_init(Scratch::default, |scratch, (image, mut target)| {
        image_grads(inputs, grad, image, &mut target, scratch);
    });
    Grads {
        qkv,
        bias,
        key_bias,
    }
}

/// As [`by_images`], a bias that all images share with it: each head's gradients, image by image.
fn by_heads<T: Real>(inputs: &Inputs<'_, T>, grad: &[T], tracked: TrackedBiases) -> Grads<T> {
    let (sizes, heads) = (&inputs.sizes, inputs.sizes.heads);
    let plane = sizes.queries * sizes.keys;
    let mut bias = zeros(heads * plane);
    let planes = bias.par_chunks_exact_mut(plane).enumerate();
    let found = planes.map_init(Scratch::default, |scratch, (head, bias)| {
        head_grads(inputs, grad, tracked, head, bias, scratch)
    });
    let found: Vec<HeadGrads<T>> = found.collect();
    if inputs.bias.is_some_and(|bias| bias.heads < heads) {
        bias = sum_of(bias.chunks_exact(plane), plane);
    }
    let key_bias = tracked.key_bias.then(|| {
        let heads = found.iter().filter_map(|head| head.key_bias.as_deref());
        sum_of(heads, sizes.batch * sizes.keys)
    });
    Grads {
        qkv: side_by_side(inputs, &found),
        bias: Some(bias),
        key_bias,
    }
}

/// Gradients of one head of all images, but for the bias.
struct HeadGrads<T> {
    /// With the columns of this head.
    qkv: Vec<Vec<T>>,
    /// `[batch, keys]`.
    key_bias: Option<Vec<T>>,
}

/// That of the bias goes to `bias`, `[queries, keys]`.
fn head_grads<T: Real>(
    inputs: &Inputs<'_, T>,
    grad: &[T],
    tracked: TrackedBiases,
    head: usize,
    bias: &mut [T],
    scratch: &mut Scratch<T>,
) -> HeadGrads<T> {
    let sizes = &inputs.sizes;
    let qkv = inputs
        .qkv
        .iter()
        .map(|part| zeros(part.len() / sizes.heads));
    let mut qkv: Vec<Vec<T>> = qkv.collect();
    let mut key_bias = tracked.key_bias.then(|| zeros(sizes.batch * sizes.keys));
    let parts = qkv.iter_mut().map(|part| image_chunks(part, sizes.batch));
    let mut parts: Vec<_> = parts.collect();
    let mut key_biases = key_bias
        .as_mut()
        .map(|bias| image_chunks(bias, sizes.batch));
    for image in 0..sizes.batch {
        let mut target = Target {
            heads: head..head + 1,
            qkv: parts.iter_mut().filter_map(Iterator::next).collect(),
            bias: Some(&mut *bias),
            key_bias: key_biases.as_mut().and_then(Iterator::next),
        };
        image_grads(inputs, grad, image, &mut target, scratch);
    }
    HeadGrads { qkv, key_bias }
}

/// Puts the heads' gradients of query, key and value side by side.
fn side_by_side<T: Real>(inputs: &Inputs<'_, T>, heads: &[HeadGrads<T>]) -> Vec<Vec<T>> {
    let width = inputs.sizes.width;
    let tensors = inputs.qkv.iter().enumerate().map(|(tensor, values)| {
        let mut out = zeros(values.len());
        let len = values.len() / inputs.sizes.batch;
        let images = out.par_chunks_mut(len).enumerate();
        images.for_each(|(image, out)| {
            for (index, values) in out.chunks_exact_mut(width).enumerate() {
                // [rows, parts, heads, width] from [heads][images, rows, parts, width]
                let (row, head) = (index / heads.len(), index % heads.len());
                let first = image * len / heads.len() + row * width;
                values.copy_from_slice(&heads[head].qkv[tensor][first..][..width]);
            }
        });
        out
    });
    tensors.collect()
}

/// What a thread keeps from image to image.
struct Scratch<T> {
    scores: Vec<T>,
    score_grads: Vec<T>,
    /// Query, key, value and the results' gradient where their rows do not lie together.
    gathered: [Vec<T>; 4],
    apart: Apart<T>,
}

impl<T> Default for Scratch<T> {
    fn default() -> Self {
        Self {
            scores: Vec::new(),
            score_grads: Vec::new(),
            gathered: [(); 4].map(|()| Vec::new()),
            apart: [(); 3].map(|()| Vec::new()),
        }
    }
}

fn image_grads<T: Real>(
    inputs: &Inputs<'_, T>,
    grad: &[T],
    image: usize,
    target: &mut Target<'_, T>,
    scratch: &mut Scratch<T>,
) {
    let sizes = &inputs.sizes;
    let columns = target.heads.start * sizes.width..target.heads.end * sizes.width;
    let grad = Operand::of(grad, sizes.batch, image, Place::of(0, 3, sizes.dim()));
    for part in &inputs.parts[image] {
        let [query, key, value, gathered] = &mut scratch.gathered;
        let take = |operand: usize, rows, buffer| {
            inputs
                .operand(image, operand)
                .take(rows, columns.clone(), buffer)
        };
        let views = [
            take(0, &part.queries, query),
            take(1, &part.keys, key),
            take(2, &part.keys, value),
            grad.take(&part.queries, columns.clone(), gathered),
        ];
        for head in target.heads.clone() {
            let column = (head - target.heads.start) * sizes.width;
            let head = Head {
                inputs,
                part,
                head,
                biases: Biases::of(inputs, image, head, part),
                operands: views.map(|view: View<'_, T>| view.head(column, sizes.width)),
            };
            let buffers = [&mut scratch.scores, &mut scratch.score_grads];
            head.grads(target, buffers, &mut scratch.apart);
        }
    }
}

/// One head of a part of an image.
struct Head<'a, T> {
    inputs: &'a Inputs<'a, T>,
    part: &'a Part,
    head: usize,
    biases: Biases<'a, T>,
    /// Query, key, value and the results' gradient.
    operands: [MatRef<'a, T>; 4],
}

impl<T: Real> Head<'_, T> {
    fn grads(&self, target: &mut Target<'_, T>, buffers: [&mut Vec<T>; 2], apart: &mut Apart<T>) {
        let (queries, keys) = (self.part.queries.len(), self.part.keys.len());
        let width = self.inputs.sizes.width;
        let block = block::<T>(queries, keys);
        let [scores, score_grads] = buffers.map(|buffer| {
            if buffer.len() < block * keys {
                buffer.resize(block * keys, T::default());
            }
            &mut buffer[..block * keys]
        });
        let rows = [&self.part.queries, &self.part.keys, &self.part.keys];
        for (apart, rows) in apart.iter_mut().zip(rows) {
            if let Rows::List(list) = rows {
                apart.clear();
                apart.resize(list.len() * width, T::default());
            }
        }
        for queries in blocks(0..queries, block) {
            let len = queries.len() * keys;
            let buffers = [&mut scores[..len], &mut score_grads[..len]];
            self.block(queries, target, buffers, apart);
        }
        target.add(self.part, self.head, width, apart);
    }

    fn block(
        &self,
        queries: Range<usize>,
        target: &mut Target<'_, T>,
        [scores, score_grads]: [&mut [T]; 2],
        apart: &mut Apart<T>,
    ) {
        let (first, count) = (queries.start, queries.len());
        let (head, part, sizes) = (self.head, self.part, &self.inputs.sizes);
        let (keys, width, scale) = (part.keys.len(), sizes.width, self.inputs.scale);
        let [query, key, value, grad] = self.operands;
        let [query, grad] = [query, grad].map(|rows| rows.subrows(first, count));

        weights(scores, query, key, scale, &self.biases, first);
        let out = MatMut::from_row_major_slice_mut(score_grads, count, keys);
        multiply(out, Accum::Replace, grad, value.transpose(), T::ONE);
        let transposed = MatRef::from_row_major_slice(scores, count, keys).transpose();
        let out = target.rows(2, &part.keys, head, width, apart);
        multiply(out, Accum::Add, transposed, grad, T::ONE);
        softmax_grad(score_grads, scores, keys);
        target.add_scores(score_grads, part, first, head, [sizes.queries, sizes.keys]);

        let score_grads = MatRef::from_row_major_slice(score_grads, count, keys);
        let out = target.rows(0, &part.queries, head, width, apart);
        let out = out.subrows_mut(first, count);
        multiply(out, Accum::Replace, score_grads, key, scale);
        let out = target.rows(1, &part.keys, head, width, apart);
        multiply(out, Accum::Add, score_grads.transpose(), query, scale);
    }
}

fn image_chunks<T>(values: &mut [T], batch: usize) -> std::slice::ChunksExactMut<'_, T> {
    let len = values.len() / batch;
    values.chunks_exact_mut(len)
}

/// The sum of vectors, in their order.
fn sum_of<'a, T: Real + 'a>(vectors: impl Iterator<Item = &'a [T]>, len: usize) -> Vec<T> {
    let mut sum = vec![T::default(); len];
    for values in vectors {
        add(&mut sum, values);
    }
    sum
}
