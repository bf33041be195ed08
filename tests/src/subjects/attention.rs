//! Attention with all that may be added to its scores or taken from its reach.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Int, Tensor};
use burn_patch::embed::{LinearPatchEmbed, LinearPatchEmbedConfig, PatchEmbed};
use burn_patch::ops::{AttentionOptions, Qkv, Reach, attention};

use super::{BATCH, CELLS, CHANNELS, DIM, STRIDE, images};
use crate::subject::Subject;

const HEADS: usize = 4;
/// Queries where they are fewer than the keys.
const QUERIES: usize = 5;

/// Biases as parameters, so that their gradients are compared.
#[derive(Module, Debug)]
struct Attended {
    embed: LinearPatchEmbed,
    bias: Option<Param<Tensor<4>>>,
    key_bias: Option<Param<Tensor<2>>>,
}

/// Which images and heads have a bias of their own: `[images, heads]`, and images for that of the keys.
#[derive(Clone, Copy)]
struct Biases(Option<[usize; 2]>, Option<usize>);

const NONE: Biases = Biases(None, None);
const SHARED: Biases = Biases(Some([1, HEADS]), Some(1));
const EACH: Biases = Biases(Some([BATCH, 1]), Some(BATCH));

pub(super) fn subjects() -> Vec<Subject> {
    vec![
        fused("ops::attention", NONE, |_| Reach::All),
        fused("ops::attention, biases", SHARED, |_| Reach::All),
        fused("ops::attention, biases of each image", EACH, |_| Reach::All),
        fused("ops::attention, valid", SHARED, valid),
        fused("ops::attention, segments", EACH, |device| {
            segments(device, CELLS)
        }),
        fused("ops::attention, packed", SHARED, |device| {
            Reach::packed(&[vec![4, 7], vec![12]], CELLS, device)
        }),
        apart("ops::attention, apart", SHARED, |_| Reach::All),
        apart("ops::attention, apart, valid", EACH, valid),
        apart("ops::attention, apart, segments", SHARED, |device| {
            segments(device, QUERIES)
        }),
    ]
}

/// The last image has no valid key.
fn valid(device: &Device) -> Reach {
    let keys = (0..BATCH * CELLS).map(|key| i32::from(key < CELLS && key % 3 != 1));
    let keys: Vec<i32> = keys.collect();
    let keys = Tensor::<1, Int>::from_ints(keys.as_slice(), device);
    Reach::Valid(keys.reshape([BATCH, CELLS]).bool())
}

/// Segments that lie mixed, with padding.
fn segments(device: &Device, queries: usize) -> Reach {
    let numbers = |tokens: usize| {
        let numbers: Vec<i32> = (0..BATCH * tokens)
            .map(|token| token as i32 * 7 % 5 - 1)
            .collect();
        let numbers = Tensor::<1, Int>::from_ints(numbers.as_slice(), device);
        numbers.reshape([BATCH, tokens])
    };
    Reach::Segments {
        queries: numbers(queries),
        keys: numbers(CELLS),
        spans: None,
    }
}

fn fused(name: &str, biases: Biases, reach: fn(&Device) -> Reach) -> Subject {
    subject(name, biases, reach, CELLS, Qkv::Fused)
}

fn apart(name: &str, biases: Biases, reach: fn(&Device) -> Reach) -> Subject {
    subject(name, biases, reach, QUERIES, |qkv| {
        let part = |part: usize| qkv.clone().slice_dim(2, part * DIM..(part + 1) * DIM);
        Qkv::Apart {
            query: part(0).slice_dim(1, ..QUERIES),
            key: part(1),
            value: part(2),
        }
    })
}

fn subject(
    name: &str,
    Biases(bias, key_bias): Biases,
    reach: fn(&Device) -> Reach,
    queries: usize,
    parts: fn(Tensor<3>) -> Qkv,
) -> Subject {
    let init = move |device: &Device| Attended {
        embed: LinearPatchEmbedConfig::new(STRIDE, CHANNELS, 3 * DIM).init(device),
        bias: bias.map(|[images, heads]| {
            Initializer::Zeros.init([images, heads, queries, CELLS], device)
        }),
        key_bias: key_bias.map(|images| Initializer::Zeros.init([images, CELLS], device)),
    };
    Subject::new(name, init, move |module, device, dtype| {
        let qkv = module
            .embed
            .forward(images(device, dtype))
            .into_embeddings();
        let options = AttentionOptions::new(HEADS)
            .with_bias(module.bias.as_ref().map(Param::val))
            .with_key_bias(module.key_bias.as_ref().map(Param::val))
            .with_reach(reach(device));
        vec![attention(parts(qkv), options)]
    })
}
