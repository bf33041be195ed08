//! Every reducer of the catalogue, masking, and what the catalogue leaves out.

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};
use burn_patch::embed::{LinearPatchEmbed, LinearPatchEmbedConfig, PatchEmbed};
use burn_patch::reduce::{
    AnyReduce, AnyReduceConfig, REDUCERS, RandomMask, Reduce, Seen, Sees, SlotAttention,
    SlotAttentionConfig, SlotInit, TokenFuser, TokenFuserConfig, TokenPool,
};
use burn_patch::{Noise, Tokens};

use super::{BATCH, CELLS, CHANNELS, DIM, STRIDE, images};
use crate::det::{det, det_tensor};
use crate::subject::Subject;

/// Tokens that reducers leave: with the formula's parameters for this many, no gradient of theirs nearly cancels.
const RESULTS: usize = 8;

pub(super) fn subjects() -> Vec<Subject> {
    let catalogue = REDUCERS.iter().map(|info| reduced(info.name));
    catalogue
        .chain([
            mask_and_restore(),
            gaussian_slots(),
            pooled_and_fused(),
            predicting("patch-dropout"),
            predicting("dynamic-vit"),
        ])
        .collect()
}

fn mask_and_restore() -> Subject {
    let init = |device: &Device| LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device);
    Subject::new("reduce::RandomMask", init, |embed, device, dtype| {
        let tokens = embed.forward(images(device, dtype));
        let (visible, restore) = RandomMask::new(0.75).apply(tokens, &det(BATCH * CELLS, 9));
        let fill = det_tensor([1, 1, DIM], 4, device, dtype);
        vec![
            visible.embeddings(),
            restore.apply(visible, Some(fill)).into_embeddings(),
        ]
    })
}

/// An embedding and what reduces its tokens, behind a class token and with padding.
#[derive(Module, Debug)]
struct Reduced {
    embed: LinearPatchEmbed,
    reduce: AnyReduce,
}

fn ragged(embed: &LinearPatchEmbed, device: &Device, dtype: DType) -> Tokens {
    let valid = Tensor::<2>::from_floats([[1.0; CELLS], [1.0; CELLS]], device);
    let valid = valid.slice_fill([1..2, 9..CELLS], 0.0).greater_elem(0.5);
    let class = det_tensor([1, 1, DIM], 3, device, dtype);
    embed
        .forward(images(device, dtype))
        .with_valid(valid)
        .with_prefix(class)
}

fn reduced(name: &'static str) -> Subject {
    let init = move |device: &Device| Reduced {
        embed: LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device),
        reduce: AnyReduceConfig::for_tokens(name, RESULTS, DIM)
            .expect("a name of the catalogue")
            .init(device),
    };
    Subject::new(format!("reduce::{name}"), init, |reduced, device, dtype| {
        let reduce = &reduced.reduce;
        let tokens = ragged(&reduced.embed, device, dtype);
        let noise = uniform(reduce.noise(BATCH, CELLS));
        let seen = seen(reduce.sees(), device, dtype);
        let reduced = reduce.reduce(tokens, seen, 0, &mut Noise::from(&noise));
        let policy = reduced
            .tokens
            .policy()
            .map(|policy| policy.unsqueeze_dim(2));
        let tokens = reduced.tokens.into_embeddings();
        let outputs = std::iter::once(tokens).chain(reduced.weights);
        outputs.chain(policy).collect()
    })
}

/// Noise in `[0, 1)` from the formula.
fn uniform(count: usize) -> Vec<f32> {
    det(count, 9).into_iter().map(|value| value + 0.5).collect()
}

/// What a reducer asks to see, from the formula.
fn seen(sees: Sees, device: &Device, dtype: DType) -> Seen {
    match sees {
        Sees::Tokens => Seen::Tokens,
        Sees::Keys => Seen::Keys(det_tensor([BATCH, CELLS, 4], 11, device, dtype)),
        Sees::ClassScores => {
            let scores = det_tensor::<2>([BATCH, CELLS], 12, device, dtype);
            Seen::ClassScores((scores + 0.5) / CELLS as f32)
        }
    }
}

/// What predicts otherwise than it trains, as it predicts.
fn predicting(name: &'static str) -> Subject {
    let init = move |device: &Device| Reduced {
        embed: LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device),
        reduce: AnyReduceConfig::for_tokens(name, RESULTS, DIM)
            .expect("a name of the catalogue")
            .init(device),
    };
    let name = format!("reduce::{name}, without noise");
    Subject::new(name, init, |reduced, device, dtype| {
        let tokens = ragged(&reduced.embed, device, dtype);
        let reduced = reduced
            .reduce
            .reduce(tokens, Seen::Tokens, 0, &mut Noise::None);
        let scores = reduced.scores.map(|scores| scores.unsqueeze_dim(2));
        // Half precision does not have the digits that tell which of these tokens are likelier to be kept.
        let chosen = dtype.size() > 2 || scores.is_none();
        let tokens = chosen.then(|| reduced.tokens.into_embeddings());
        scores.into_iter().chain(tokens).collect()
    })
}

/// Slots that start from a Gaussian, whose deviation the catalogue's learned starts have none of.
#[derive(Module, Debug)]
struct GaussianSlots {
    embed: LinearPatchEmbed,
    slots: SlotAttention,
}

fn gaussian_slots() -> Subject {
    let init = |device: &Device| GaussianSlots {
        embed: LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device),
        slots: SlotAttentionConfig::new(4, DIM)
            .with_start(SlotInit::Gaussian)
            .init(device),
    };
    Subject::new(
        "reduce::slot-attention, Gaussian",
        init,
        |module, device, dtype| {
            let tokens = ragged(&module.embed, device, dtype);
            let noise = det(BATCH * 4 * DIM, 5);
            let given = module.slots.forward_with_noise(tokens.clone(), &noise);
            let fixed = module.slots.forward(tokens);
            vec![given.into_embeddings(), fixed.into_embeddings()]
        },
    )
}

#[derive(Module, Debug)]
struct PooledAndFused {
    embed: LinearPatchEmbed,
    pool: AnyReduce,
    fuser: TokenFuser,
}

fn pooled_and_fused() -> Subject {
    let init = |device: &Device| PooledAndFused {
        embed: LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device),
        pool: AnyReduceConfig::for_tokens("query-pool", RESULTS, DIM)
            .expect("a name of the catalogue")
            .init(device),
        fuser: TokenFuserConfig::new(RESULTS, DIM).init(device),
    };
    Subject::new("reduce::TokenFuser", init, |module, device, dtype| {
        let original = ragged(&module.embed, device, dtype);
        let learned = module
            .pool
            .reduce(original.clone(), Seen::Tokens, 0, &mut Noise::None);
        let learned = learned.tokens;
        vec![module.fuser.forward(learned, original).into_embeddings()]
    })
}
