//! What holds for any chain of reducers.

use std::ops::Range;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use burn_patch::grid::{Remainder, Window};
use burn_patch::reduce::{AnyReduce, AnyReduceConfig, REDUCERS, Reduce, Reduced, Seen, Sees};
use burn_patch::tokens::{PlaceKind, Restore};
use burn_patch::{Noise, Tokens};
use burn_patch_tests::{backends, det, det_tensor, fill, largest_difference, tolerance};
use proptest::prelude::*;

const BATCH: usize = 2;
const DIM: usize = 8;
const ROWS: usize = 4;
const COLS: usize = 6;

/// A chain to try: how many prefix tokens and real tokens there are, which reducers follow each other, how many tokens
/// each is to leave, and what the numbers are made of.
#[derive(Debug, Clone)]
struct Chain {
    prefix: usize,
    valid: Option<[usize; BATCH]>,
    steps: Vec<(usize, usize)>,
    seed: u64,
}

/// Those that lead back and keep the grid: all but the pools and what joins neighbours.
fn selecting() -> Vec<&'static str> {
    let device = Device::flex();
    let grid = Window::patch([1, 1], Default::default()).layout([4, 4]);
    let grid = grid.expect("a grid");
    let names = REDUCERS.iter().map(|info| info.name);
    let leads_back = |name: &&str| {
        let reduce = AnyReduceConfig::for_tokens(name, 3, DIM).expect("a name");
        let reduce = reduce.init(&device);
        let pools = reduce.places(PlaceKind::Cells) == Ok(PlaceKind::Boxes);
        (reduce.sees() != Sees::Tokens || !pools) && reduce.grid(&grid) == Ok(grid)
    };
    names.filter(leads_back).collect()
}

fn chains() -> impl Strategy<Value = Chain> {
    let count = selecting().len();
    let real: Range<usize> = 1..ROWS * COLS + 1;
    let valid = prop::option::of([real.clone(), real]);
    let steps = prop::collection::vec((0..count, 2..20usize), 1..5);
    (0..4usize, valid, steps, 0..1000u64).prop_map(|(prefix, valid, steps, seed)| Chain {
        prefix,
        valid,
        steps,
        seed,
    })
}

/// A step of a chain that has run.
struct Step {
    before: Tokens,
    reduced: Reduced,
}

/// The tokens that a chain starts from: a number for each place is in them, so that none is like another.
fn start(chain: &Chain, images: Range<usize>, device: &Device) -> Tokens {
    let cells = ROWS * COLS;
    let window = Window::patch([4, 2], Remainder::Reject);
    let grid = window.layout([4 * ROWS, 2 * COLS]).unwrap();
    let rows = |values: Tensor<3>| values.slice_dim(0, images.clone());
    let embeddings = det_tensor([BATCH, cells, DIM], chain.seed, device, DType::F32);
    let tokens = Tokens::from_grid(rows(embeddings), grid);
    let tokens = match chain.valid {
        None => tokens,
        Some(counts) => {
            let counts = &counts[images.clone()];
            let real = counts
                .iter()
                .flat_map(|count| (0..cells).map(move |cell| cell < *count));
            let real: Vec<bool> = real.collect();
            let real = TensorData::new(real, [counts.len(), cells]);
            tokens.with_valid(Tensor::from_data(real, device))
        }
    };
    match chain.prefix {
        0 => tokens,
        prefix => tokens.with_prefix(det_tensor([1, prefix, DIM], 3, device, DType::F32)),
    }
}

/// The chain on `images` of the batch.
fn run(chain: &Chain, images: Range<usize>, device: &Device) -> Vec<Step> {
    run_from(chain, start(chain, images.clone(), device), images)
}

/// The chain on these tokens of `images`. Steps that need the whole grid, where there is none any more, are left out.
fn run_from(chain: &Chain, mut tokens: Tokens, images: Range<usize>) -> Vec<Step> {
    let (names, device) = (selecting(), tokens.embeddings().device());
    let mut steps = Vec::new();
    for (index, (name, left)) in chain.steps.iter().enumerate() {
        let config = AnyReduceConfig::for_tokens(names[*name], *left, DIM).unwrap();
        let reduce = fill(config.init(&device), 1);
        if reduce.places(tokens.places().kind()).is_err() {
            continue;
        }
        let seed = chain.seed + 17 * index as u64;
        let seen = seen(&reduce, &tokens, seed, images.clone());
        let noise = noise(&reduce, &tokens, seed, images.clone());
        let before = tokens.clone();
        // A DynamicViT that trains keeps all; here it is to drop.
        let mut noise = match names[*name] {
            "dynamic-vit" => Noise::None,
            _ => Noise::from(&noise),
        };
        let reduced = reduce.reduce(tokens, seen, index, &mut noise);
        tokens = reduced.tokens.clone();
        steps.push(Step { before, reduced });
    }
    steps
}

fn seen(reduce: &AnyReduce, tokens: &Tokens, seed: u64, images: Range<usize>) -> Seen {
    let (count, device) = (tokens.tokens(), tokens.embeddings().device());
    match reduce.sees() {
        Sees::Tokens => Seen::Tokens,
        Sees::Keys => {
            let keys = det_tensor::<3>([BATCH, count, 4], seed + 5, &device, DType::F32);
            Seen::Keys(keys.slice_dim(0, images))
        }
        Sees::ClassScores => {
            let scores = det_tensor::<2>([BATCH, count], seed + 6, &device, DType::F32);
            Seen::ClassScores((scores + 0.5).slice_dim(0, images))
        }
    }
}

fn noise(reduce: &AnyReduce, tokens: &Tokens, seed: u64, images: Range<usize>) -> Vec<f32> {
    let each = reduce.noise(1, tokens.tokens());
    let values = det(BATCH * each, seed + 7);
    let values = values[images.start * each..images.end * each].iter();
    values.map(|value| value + 0.5).collect()
}

fn same<const D: usize>(left: Tensor<D>, right: Tensor<D>) -> bool {
    largest_difference(&left.into_data(), &right.into_data()).0 <= tolerance::F32
}

/// The way back through all steps, and the tokens at their end.
fn whole(steps: &[Step], first: &Tokens) -> (Restore, Tokens) {
    let ways = steps.iter().map(|step| step.reduced.restore.clone());
    let ways = ways.map(|way| way.expect("a way back"));
    let way = ways.fold(Restore::unchanged(first), Restore::then);
    let last = steps.last().map_or(first, |step| &step.reduced.tokens);
    (way, last.clone())
}

/// How many patches each token stands for, none for padding, `[batch, tokens]`.
fn counts(tokens: &Tokens) -> Tensor<2> {
    let ones = tokens.patch_embeddings().slice_dim(2, 0..1).ones_like();
    let sizes = tokens.sizes().unwrap_or(ones.squeeze_dim(2));
    match tokens.valid() {
        Some(valid) => sizes * valid.float(),
        None => sizes,
    }
}

/// 1 where a present token (rows) holds a former one (columns), `[batch, present, former]`.
fn holds(way: &Restore, present: usize) -> Tensor<3> {
    let owner = way.owner();
    let ([batch, former], device) = (owner.dims(), owner.device());
    let shape = [batch, present, former];
    let number = Tensor::<1, Int>::arange(0..present as i64, &device);
    let number = number.reshape([1, present, 1]).expand(shape);
    owner
        .unsqueeze_dim::<3>(1)
        .expand(shape)
        .equal(number)
        .float()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn sizes_add_up_to_the_patches_that_are_held(chain in chains()) {
        for backend in backends() {
            let first = start(&chain, 0..BATCH, &backend.device);
            let steps = run(&chain, 0..BATCH, &backend.device);
            let (way, last) = whole(&steps, &first);
            let held = holds(&way, last.tokens()) * counts(&first).unsqueeze_dim::<3>(1);
            let held = held.sum_dim(2).squeeze_dim::<2>(2);
            prop_assert!(same(counts(&last), held), "on {}", backend.name);
        }
    }

    #[test]
    fn what_was_kept_alone_is_back_in_its_place(chain in chains()) {
        for backend in backends() {
            let first = start(&chain, 0..BATCH, &backend.device);
            let steps = run(&chain, 0..BATCH, &backend.device);
            let (way, last) = whole(&steps, &first);
            let holds = holds(&way, last.tokens());
            let real = counts(&first).unsqueeze_dim::<3>(1);
            // 1 for each real token whose holder holds no other that is real.
            let alone = (holds.clone() * real.clone()).sum_dim(2).equal_elem(1.0);
            let alone = ((holds * alone.float()).sum_dim(1) * real).swap_dims(1, 2);
            // What EViT makes of the others is no mean of them.
            let fused = steps.iter().any(|step| step.reduced.tokens.places().kind() == PlaceKind::Boxes);
            let back = way.apply(last, None);
            prop_assert_eq!(back.places().kind(), first.places().kind());
            let [back, want] = [back, first].map(|tokens| tokens.patch_embeddings() * alone.clone());
            prop_assert!(fused || same(back, want), "on {}", backend.name);
        }
    }

    #[test]
    fn one_way_back_is_as_step_by_step(chain in chains()) {
        for backend in backends() {
            let first = start(&chain, 0..BATCH, &backend.device);
            let steps = run(&chain, 0..BATCH, &backend.device);
            let (way, last) = whole(&steps, &first);
            let fill = det_tensor([1, 1, DIM], 8, &backend.device, DType::F32);
            let once = way.apply(last.clone(), Some(fill.clone()));
            let back = |tokens, step: &Step| {
                let way = step.reduced.restore.as_ref().expect("a way back");
                way.apply(tokens, Some(fill.clone()))
            };
            let slowly = steps.iter().rev().fold(last, back);
            prop_assert!(same(once.embeddings(), slowly.embeddings()), "on {}", backend.name);
            for (step, index) in steps.iter().zip(0..) {
                prop_assert_eq!(step.before.prefix(), chain.prefix, "step {}", index);
            }
        }
    }

    #[test]
    fn a_second_image_changes_nothing_of_the_first(chain in chains()) {
        for backend in backends() {
            let steps = run(&chain, 0..BATCH, &backend.device);
            let alone = run(&chain, 0..1, &backend.device);
            for (step, alone) in steps.iter().zip(&alone) {
                let both = step.reduced.tokens.embeddings().slice_dim(0, 0..1);
                let one = alone.reduced.tokens.embeddings();
                prop_assert!(same(both, one), "on {}", backend.name);
            }
        }
    }

    #[test]
    fn what_padding_holds_changes_nothing_that_is_real(chain in chains()) {
        let valid = Some(chain.valid.unwrap_or([9, 17]));
        let chain = Chain { valid, ..chain };
        for backend in backends() {
            let mean = |padding: f32| {
                let tokens = start(&chain, 0..BATCH, &backend.device);
                let padded = tokens.valid().expect("padding").bool_not();
                let padded = padded.unsqueeze_dim::<3>(2).expand([BATCH, ROWS * COLS, DIM]);
                let prefix = tokens.prefix();
                let tokens = tokens.map(|all| {
                    let patches = all.clone().slice_dim(1, prefix..).mask_fill(padded, padding);
                    match prefix {
                        0 => patches,
                        _ => Tensor::cat(vec![all.slice_dim(1, ..prefix), patches], 1),
                    }
                });
                means(&chain, tokens)
            };
            for (one, other) in mean(0.5).into_iter().zip(mean(f32::NAN)) {
                prop_assert!(same(one, other), "on {}", backend.name);
            }
        }
    }
}

/// The mean of the real tokens after each step.
fn means(chain: &Chain, tokens: Tokens) -> Vec<Tensor<2>> {
    let steps = run_from(chain, tokens, 0..BATCH);
    steps
        .iter()
        .map(|step| step.reduced.tokens.mean())
        .collect()
}
