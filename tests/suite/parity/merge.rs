//! Parity of merging, pruning, dropout and block masks with the published formulas: `golden/merge.safetensors`.

use burn::tensor::activation::softmax;
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_patch::grid::{PatchGrid, Remainder, Window};
use burn_patch::reduce::{
    BlockMaskConfig, DynamicVit, DynamicVitConfig, EVitConfig, MergeSchedule, PatchDropoutConfig,
    Reduce, Reduced, Seen, ToMe, ToMeConfig,
};
use burn_patch::tokens::{Attend, Places, Reach};
use burn_patch::{Noise, Tokens};
use burn_patch_tests::{Golden, det_tensor, fill};
use burn_vit::layers::AttentionConfig;

use crate::parity::{assert_golden, golden};

const FILE: &str = "merge.safetensors";
const SEED: u64 = 1;
const DIM: usize = 16;

/// `x ← (1664525·x + 1013904223) mod 2³²` from the seed; the upper 24 bits over 2²⁴.
fn noise(count: usize, mut seed: u32) -> Vec<f32> {
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as f32 / (1 << 24) as f32
    };
    (0..count).map(|_| next()).collect()
}

fn grid(rows: usize, cols: usize) -> PatchGrid {
    let window = Window::patch([1, 1], Remainder::Reject);
    window.layout([rows, cols]).unwrap()
}

/// `all` (`[batch, prefix + tokens, dim]`) as tokens.
fn tokens(all: Tensor<3>, prefix: usize) -> Tokens {
    let count = all.dims()[1] - prefix;
    let patches = Tokens::from_grid(all.clone().slice_dim(1, prefix..), grid(1, count));
    match prefix {
        0 => patches,
        _ => patches.with_prefix(all.slice_dim(1, ..prefix)),
    }
}

fn det(shape: [usize; 3], seed: u64, device: &Device) -> Tensor<3> {
    det_tensor(shape, seed, device, DType::F32)
}

/// One step of ToMe, by keys of all tokens.
fn merged(tome: &ToMe, tokens: Tokens, keys: Tensor<3>, block: usize) -> Reduced {
    let keys = keys.slice_dim(1, tokens.prefix()..);
    tome.reduce(tokens, Seen::Keys(keys), block, &mut Noise::None)
}

/// The sizes behind those of the prefix, as the reference has them.
fn sizes(tokens: &Tokens) -> Tensor<3> {
    let sizes = tokens.sizes().unwrap();
    let ones = Tensor::ones([tokens.batch(), tokens.prefix()], &sizes.device());
    Tensor::cat(vec![ones, sizes], 1).unsqueeze_dim(2)
}

#[test]
fn merging_as_tome_layer_after_layer_and_back() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let schedule = MergeSchedule::List(vec![4, 9]);
        let tome = ToMeConfig::new(schedule).init(device);
        let all = tokens(det([2, 17, 4], 14, device), 1);
        let once = merged(&tome, all, det([2, 17, 8], 13, device), 0);
        let names = ["tome_merge_wavg_r4", "tome_size_r4"];
        assert_golden(names[0], once.tokens.embeddings(), golden.take(names[0]));
        assert_golden(names[1], sizes(&once.tokens), golden.take(names[1]));

        let twice = merged(&tome, once.tokens, det([2, 13, 8], 15, device), 1);
        let names = ["tome_twice", "tome_twice_sizes"];
        assert_golden(names[0], twice.tokens.embeddings(), golden.take(names[0]));
        assert_golden(names[1], sizes(&twice.tokens), golden.take(names[1]));
        let back = once.restore.unwrap().then(twice.restore.unwrap());
        let owner = golden.take("tome_twice_owner");
        assert_golden("tome_twice_owner", back.owner().float(), owner);
        let apart = back.apply(twice.tokens, None).into_embeddings();
        assert_golden("tome_unmerged", apart, golden.take("tome_unmerged"));
    });
}

#[test]
fn merging_as_tome_with_a_distillation_token_and_in_its_gradient() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let tome = ToMeConfig::new(MergeSchedule::Once(5)).init(device);
        let all = tokens(det([2, 18, 4], 14, device), 2);
        let reduced = merged(&tome, all, det([2, 18, 8], 16, device), 0);
        let want = golden.take("tome_distilled");
        assert_golden("tome_distilled", reduced.tokens.into_embeddings(), want);

        let device = device.clone().autodiff();
        let tome = ToMeConfig::new(MergeSchedule::Once(4)).init(&device);
        let x = det([2, 17, 4], 14, &device).require_grad();
        let keys = det([2, 17, 8], 13, &device);
        let reduced = merged(&tome, tokens(x.clone(), 1), keys, 0);
        let grad = gradient(&x, reduced.tokens.into_embeddings(), 17);
        assert_golden("tome_grad", grad, golden.take("tome_grad"));
    });
}

/// Of `Σ y·det(y's shape, seed)`.
fn gradient<const D: usize>(x: &Tensor<D>, y: Tensor<3>, seed: u64) -> Tensor<D> {
    let weights = det(y.dims(), seed, &y.device());
    x.grad(&(y * weights).sum().backward()).expect("a gradient")
}

#[test]
fn pruning_as_evit() {
    golden(FILE, |backend, golden| {
        let device = backend.device.clone().autodiff();
        let x = det([2, 11, DIM], 21, &device).require_grad();
        let scores = det_tensor::<2>([2, 11], 22, &device, DType::F32) * 4.0;
        let scores = softmax(scores, 1).slice_dim(1, 1..);
        let scores = Tensor::<2>::from_data(scores.into_data(), &device).require_grad();
        let evit = EVitConfig::new(0.7).init(&device);
        let seen = Seen::ClassScores(scores.clone());
        let reduced = evit.reduce(tokens(x.clone(), 1), seen, 0, &mut Noise::None);
        let left = reduced.tokens.into_embeddings();
        assert_golden("evit", left.clone(), golden.take("evit"));
        let weights = det(left.dims(), 23, &device);
        let grads = (left * weights).sum().backward();
        let grad = x.grad(&grads).unwrap();
        assert_golden("evit_grad", grad, golden.take("evit_grad"));
        let grad = scores.grad(&grads).unwrap();
        let want = golden.take("evit_grad_scores");
        assert_golden("evit_grad_scores", grad, want);
    });
}

fn dynamic_vit(device: &Device) -> DynamicVit {
    fill(DynamicVitConfig::new(0.7, DIM).init(device), SEED)
}

fn drawn(device: &Device) -> Tensor<3> {
    let values = TensorData::new(noise(2 * 9 * DIM, 31), [2, 9, DIM]);
    Tensor::from_data(values, device)
}

#[test]
fn pruning_as_dynamic_vit_predicts() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let pruning = dynamic_vit(device);
        let all = tokens(drawn(device), 0);
        let want = golden.take("dynamic_vit_logits");
        assert_golden("dynamic_vit_logits", pruning.predict(&all), want);
        let reduced = pruning.reduce(all, Seen::Tokens, 0, &mut Noise::None);
        let want = golden.take("dynamic_vit_kept");
        assert_golden("dynamic_vit_kept", reduced.tokens.into_embeddings(), want);
    });
}

#[test]
fn pruning_as_dynamic_vit_trains() {
    golden(FILE, |backend, golden| {
        let device = backend.device.clone().autodiff();
        let pruning = dynamic_vit(&device);
        let x = drawn(&device).require_grad();
        let noise = noise(2 * 2 * 9 * 2, 1);
        let mut noise = Noise::from(&noise);
        let mut all = tokens(x.clone(), 0);
        for name in ["dynamic_vit_decisions_0", "dynamic_vit_decisions_1"] {
            let reduced = pruning.reduce(all, Seen::Tokens, 0, &mut noise);
            assert_golden(name, reduced.scores.unwrap(), golden.take(name));
            all = reduced.tokens;
        }
        let decisions = all.policy().unwrap().unsqueeze_dim::<3>(2);
        let grad = gradient(&x, decisions, 32);
        let want = golden.take("dynamic_vit_grad");
        assert_golden("dynamic_vit_grad", grad, want);
    });
}

#[test]
fn attention_with_a_policy_as_dynamic_vit() {
    golden(FILE, |backend, golden| {
        let device = backend.device.clone().autodiff();
        let attention = AttentionConfig::new(DIM, 4).try_init(&device).unwrap();
        let attention = fill(attention, SEED);
        let policy = [
            [1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0],
            [1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0],
        ];
        let policy = Tensor::<2>::from_floats(policy, &device).require_grad();
        let attend = Attend {
            policy: Some(policy.clone()),
            ..Attend::default()
        };
        let x = det([2, 7, DIM], 41, &device);
        let context = attention.forward(x, &attend, Reach::All);
        let want = golden.take("policy_attention");
        assert_golden("policy_attention", context.clone(), want);
        let grad = gradient(&policy, context, 42);
        let want = golden.take("policy_attention_grad");
        assert_golden("policy_attention_grad", grad, want);
    });
}

#[test]
fn patch_dropout_keeps_what_it_should() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        for (name, ordered) in [("patch_dropout", false), ("patch_dropout_ordered", true)] {
            let config = PatchDropoutConfig::new(0.6).with_ordered(ordered);
            let dropout = config.init(device);
            let all = tokens(det([2, 21, 4], 0, device), 0);
            let noise = noise(2 * 21, 5);
            let reduced = dropout.reduce(all, Seen::Tokens, 0, &mut Noise::from(&noise));
            let Places::Picked(cells) = reduced.tokens.places() else {
                panic!("{name}: picked cells");
            };
            assert_golden(name, cells.clone().float(), golden.take(name));
        }
    });
}

#[test]
fn blocks_are_masked_as_by_beit() {
    fn check(
        golden: &mut Golden,
        device: &Device,
        name: &str,
        [rows, cols]: [usize; 2],
        mask: BlockMaskConfig,
    ) {
        let cells = rows * cols;
        let noise = noise(6 * 5 * cells, 9);
        let mask = mask.init(device);
        let plan = mask.plan(6, grid(rows, cols), &noise, device).unwrap();
        assert_golden(name, plan.restore.mask(), golden.take(name));
    }
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let keep = |keep| BlockMaskConfig::new(0.0).with_keep(Some(keep));
        check(
            golden,
            device,
            "block_masks",
            [14, 14],
            keep(196 - 75).with_least(16),
        );
        check(golden, device, "block_masks_small", [4, 6], keep(4));
    });
}
