//! Self-attention: tests.

use super::*;
use burn::tensor::{Distribution, Int, Tolerance};

fn tolerance() -> Tolerance<f32> {
    Tolerance::rel_abs(1e-5, 1e-6)
}

fn attn(device: &Device) -> Attention {
    AttentionConfig::new(8, 2).try_init(device).unwrap()
}

#[test]
fn biases_apart_are_the_fused_bias_with_zeros_for_the_keys() {
    let device = Device::flex();
    let config = AttentionConfig::new(8, 2);
    let mut apart = config
        .clone()
        .with_qkv_bias(Some(QkvBias::NoKey))
        .try_init(&device)
        .unwrap();
    assert!(apart.qkv.bias.is_none());
    let mut fused = config.try_init(&device).unwrap();
    let value = || Tensor::<1>::random([8], Distribution::Default, &device);
    let (query, values) = (value(), value());
    let bias = vec![query.clone(), query.zeros_like(), values.clone()];
    (fused.qkv.weight, fused.proj) = (apart.qkv.weight.clone(), apart.proj.clone());
    fused.qkv.bias = Some(Param::from_tensor(Tensor::cat(bias, 0)));
    apart.q_bias = Some(Param::from_tensor(query));
    apart.v_bias = Some(Param::from_tensor(values));
    let tokens = Tensor::random([2, 3, 8], Distribution::Default, &device);
    let run = |attn: &Attention| attn.forward(tokens.clone(), &Attend::default(), Reach::All);
    let want = run(&fused).into_data();
    run(&apart).into_data().assert_approx_eq(&want, tolerance());
}

#[test]
fn queries_and_keys_are_normed_head_by_head() {
    let device = Device::flex();
    let config = AttentionConfig::new(8, 2).with_qk_norm(Some(1e-6));
    let attention = config.try_init(&device).unwrap();
    let angles = Tensor::<1, Int>::arange(0..144, &device).float();
    let qkv = angles.sin().reshape([2, 3, 24]);
    let got = attention.normed(qkv.clone());
    let head = |x: &Tensor<3>, at: usize| x.clone().slice_dim(2, at..at + 4);
    let means = |x| Tensor::<3>::mean_dim(x, 2).abs().max().into_scalar::<f32>();
    assert!(means(head(&got, 4)) < 1e-6 && means(head(&got, 12)) < 1e-6);
    let squares = head(&got, 0).powi_scalar(2).mean_dim(2) - 1.0;
    assert!(squares.abs().max().into_scalar::<f32>() < 1e-5);
    let value = got.slice_dim(2, 16..).into_data();
    value.assert_eq(&qkv.slice_dim(2, 16..).into_data(), true);
}

#[test]
fn padding_does_not_leak() {
    let device = Device::flex();
    let attention = attn(&device);
    let short = Tensor::random([1, 3, 8], Distribution::Default, &device);
    let noise = Tensor::random([1, 2, 8], Distribution::Default, &device);
    let padded = Tensor::cat(vec![short.clone(), noise], 1);
    let valid = Tensor::from_bool([[true, true, true, false, false]], &device);
    let attend = Attend::default();
    let with = attention
        .forward(padded, &attend, Reach::Valid(valid))
        .slice_dim(1, ..3);
    let without = attention.forward(short, &attend, Reach::All);
    with.into_data()
        .assert_approx_eq(&without.into_data(), tolerance());
}

#[test]
fn no_rotation_and_zero_biases_are_plain_attention() {
    let device = Device::flex();
    let attention = attn(&device);
    let tokens = Tensor::random([2, 3, 8], Distribution::Default, &device);
    let attend = Attend {
        rotation: Some(Rotation {
            cos: Tensor::ones([1, 1, 3, 4], &device),
            sin: Tensor::zeros([1, 1, 3, 4], &device),
            pairs: Default::default(),
        }),
        bias: Some(Tensor::zeros([1, 2, 3, 3], &device)),
        key_bias: Some(Tensor::zeros([1, 3], &device)),
        ..Attend::default()
    };
    let got = attention.forward(tokens.clone(), &attend, Reach::All);
    let want = attention.forward(tokens, &Attend::default(), Reach::All);
    got.into_data()
        .assert_approx_eq(&want.into_data(), tolerance());
}

#[test]
fn padding_keeps_what_it_holds_to_itself_where_places_turn_queries() {
    let device = Device::flex().autodiff();
    let attention = attn(&device);
    let short = Tensor::<3>::random([1, 3, 8], Distribution::Default, &device).require_grad();
    let turn = |tokens: usize| Attend {
        rotation: Some(Rotation {
            cos: Tensor::full([1, 1, tokens, 4], 0.6, &device),
            sin: Tensor::full([1, 1, tokens, 4], 0.8, &device),
            pairs: Default::default(),
        }),
        ..Attend::default()
    };
    let lost = Tensor::full([1, 2, 8], f32::NAN, &device);
    let padded = Tensor::cat(vec![short.clone(), lost], 1);
    let valid = Tensor::from_bool([[true, true, true, false, false]], &device);
    let run = |tokens: Tensor<3>, reach| {
        let count = tokens.dims()[1];
        let out = attention
            .forward(tokens, &turn(count), reach)
            .slice_dim(1, ..3);
        let grads = out.clone().powi_scalar(2).sum().backward();
        (out.into_data(), short.grad(&grads).unwrap().into_data())
    };
    let (with, with_grad) = run(padded, Reach::Valid(valid));
    let (without, without_grad) = run(short.clone(), Reach::All);
    with.assert_approx_eq(&without, tolerance());
    with_grad.assert_approx_eq(&without_grad, tolerance());
}

#[test]
fn the_class_gives_nothing_to_padding() {
    let device = Device::flex();
    let attention = attn(&device);
    let tokens = Tensor::random([1, 4, 8], Distribution::Default, &device);
    let scores = |tokens: Tensor<3>, reach| {
        let all = Attend::default();
        match attention
            .forward_seen(tokens, &all, reach, Sees::ClassScores, 1)
            .1
        {
            Seen::ClassScores(scores) => scores,
            _ => unreachable!("what was asked for"),
        }
    };
    let valid = Tensor::from_bool([[true, true, true, false]], &device);
    let padded = scores(tokens.clone(), Reach::Valid(valid));
    let short = scores(tokens.slice_dim(1, ..3), Reach::All);
    let zero = Tensor::zeros([1, 1], &device);
    let want = Tensor::cat(vec![short, zero], 1).into_data();
    padded.into_data().assert_approx_eq(&want, tolerance());
}

#[test]
fn the_class_tokens_weights_sum_to_one_with_its_own() {
    let device = Device::flex();
    let attention = attn(&device);
    let tokens = Tensor::random([2, 5, 8], Distribution::Default, &device);
    let scores = |prefix| {
        let seen = |sees| {
            let all = Attend::default();
            attention
                .forward_seen(tokens.clone(), &all, Reach::All, sees, prefix)
                .1
        };
        let (Seen::ClassScores(scores), Seen::Keys(keys)) =
            (seen(Sees::ClassScores), seen(Sees::Keys))
        else {
            unreachable!("what was asked for");
        };
        assert_eq!(keys.dims(), [2, 5 - prefix, 4]);
        scores
    };
    let sums = scores(0).sum_dim(1).into_data();
    sums.assert_approx_eq(&[[1.0f32], [1.0]].into(), tolerance());
    let behind = scores(0).slice_dim(1, 1..).into_data();
    scores(1).into_data().assert_eq(&behind, true);
}

/// A policy of ones, and one of zeros, which hides a token from all but itself.
#[test]
fn a_policy_hides_tokens_from_others_as_if_they_were_not_there() {
    let device = Device::flex();
    let attention = attn(&device);
    let tokens = Tensor::random([2, 5, 8], Distribution::Default, &device);
    let run = |tokens: Tensor<3>, policy: Option<[f32; 5]>, reach| {
        let policy = policy.map(|policy| Tensor::from_floats([policy; 2], &device));
        let attend = Attend {
            policy,
            ..Attend::default()
        };
        attention.forward(tokens, &attend, reach)
    };
    // The reference adds 10⁻⁶ to the weights.
    let close = Tolerance::<f32>::rel_abs(1e-5, 2e-6);
    let all = run(tokens.clone(), Some([1.0; 5]), Reach::All).into_data();
    all.assert_approx_eq(&run(tokens.clone(), None, Reach::All).into_data(), close);
    let some = run(tokens.clone(), Some([1.0, 1.0, 1.0, 0.0, 0.0]), Reach::All);
    let short = tokens.clone().slice_dim(1, ..3);
    let want = attention.forward(short, &Attend::default(), Reach::All);
    let want = want.into_data();
    let got = some.clone().slice_dim(1, ..3).into_data();
    got.assert_approx_eq(&want, close);
    let index = Tensor::from_ints([0, 1, 2, 4], &device);
    let own = attention.forward(
        tokens.clone().select(1, index),
        &Attend::default(),
        Reach::All,
    );
    let got = some.slice_dim(1, 4..).into_data();
    got.assert_approx_eq(&own.slice_dim(1, 3..).into_data(), close);

    let valid = Tensor::from_bool([[true, true, true, false, false]; 2], &device);
    let lost = Tensor::full([2, 2, 8], f32::NAN, &device);
    let padded = Tensor::cat(vec![tokens.slice_dim(1, ..3), lost], 1);
    let padded = run(padded, Some([1.0; 5]), Reach::Valid(valid));
    let got = padded.slice_dim(1, ..3).into_data();
    got.assert_approx_eq(&want, close);
}

#[test]
fn heads_that_do_not_divide_the_width_are_an_error() {
    let error = AttentionConfig::new(64, 5)
        .try_init(&Device::flex())
        .unwrap_err();
    assert_eq!(error, Error::Heads { dim: 64, heads: 5 });
}

#[test]
fn weights_times_values_are_what_attention_gives() {
    let device = Device::flex();
    let attention = attn(&device);
    let tokens = Tensor::<3>::random([2, 5, 8], Distribution::Default, &device);
    let valid = [
        [true, true, true, true, true],
        [true, true, true, false, false],
    ];
    let numbers = Tensor::from_ints([[0, 0, 1, 1, -1], [0, 1, 1, 1, 1]], &device);
    let segments = Reach::Segments {
        queries: numbers.clone(),
        keys: numbers,
        spans: None,
    };
    let attend = Attend {
        bias: Some(Tensor::random([1, 2, 5, 5], Distribution::Default, &device)),
        key_bias: Some(Tensor::random([2, 5], Distribution::Default, &device)),
        ..Attend::default()
    };
    let valid = Reach::Valid(Tensor::from_bool(valid, &device));
    for reach in [Reach::All, valid, segments] {
        let weights = attention.weights(tokens.clone(), &attend, reach.clone());
        assert_eq!(weights.dims(), [2, 2, 5, 5]);
        let values = attention.by_head(&apply(&attention.qkv, tokens.clone()), 2);
        let context = weights.matmul(values).swap_dims(1, 2).reshape([2, 5, 8]);
        let want = apply(&attention.proj, context).into_data();
        let got = attention.forward(tokens.clone(), &attend, reach);
        got.into_data().assert_approx_eq(&want, tolerance());
    }
}
