//! The projections by raw LibTorch, as the peer of our own on LibTorch.

use std::hint::black_box;
use std::rc::Rc;

use tch::Tensor;

use crate::raw_tch::{Raw, random};
use crate::{BATCH, DIM, OVERLAP_DIM, PATCH, SIDE, Step};

type Way = fn(&Raw, &Tensor) -> Tensor;

/// One step for each way that LibTorch has. The convolution's tokens are a view of its map, as ours are.
pub(crate) fn steps(name: &str) -> Vec<Step> {
    let images = [BATCH, 3, SIDE, SIDE];
    let (window, dim, work) = match name.split_once('-') {
        Some(("linear", work)) => ([PATCH, PATCH, 0], DIM, work),
        Some(("overlap", work)) => ([7, 4, 3], OVERLAP_DIM, work),
        _ => panic!("raw LibTorch has no case {name}"),
    };
    let raw = Rc::new(Raw::new(images, window, dim));
    let mut ways: Vec<Way> = vec![Raw::convolve];
    if raw.tiles() {
        ways.push(Raw::multiply);
    }
    ways.into_iter()
        .map(|way| step(Rc::clone(&raw), way, work))
        .collect()
}

fn step(raw: Rc<Raw>, way: Way, work: &str) -> Step {
    match work {
        "forward" => in_turn(raw, move |raw, images| {
            drop(black_box(tch::no_grad(|| way(raw, images))));
        }),
        "sum-backward" => in_turn(raw, move |raw, images| {
            drop(black_box(raw.sum_gradients(&way(raw, images))));
        }),
        "gradients" => {
            let grad = random(&way(&raw, &raw.images[0]).size());
            in_turn(raw, move |raw, images| {
                drop(black_box(raw.gradients(&way(raw, images), &grad)));
            })
        }
        other => panic!("raw LibTorch has no work {other}"),
    }
}

fn in_turn(raw: Rc<Raw>, work: impl Fn(&Raw, &Tensor) + 'static) -> Step {
    let mut turn = 0;
    Box::new(move || {
        turn = (turn + 1) % raw.images.len();
        work(&raw, &raw.images[turn]);
    })
}
