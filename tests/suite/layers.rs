//! The layers' operations against Burn's own, values and gradients, on every backend.

use burn::module::{Module, Param};
use burn::nn::LayerNormConfig as BurnLayerNormConfig;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::store::{BurnToPyTorchAdapter, ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore};
use burn::tensor::activation::softmax;
use burn::tensor::module::linear as burn_linear;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use burn_patch::layers::LayerNormConfig;
use burn_patch::ops::backends::tune_products;
use burn_patch::ops::{AttentionOptions, Qkv, Reach, attention, cross_entropy, layer_norm, linear};
use burn_patch_tests::{backends, det, det_tensor, largest_difference, tolerance};
use safetensors::SafeTensors;

/// Values of both, and gradients of their sum weighted by a formula, must agree.
fn assert_same<const D: usize>(
    name: &str,
    inputs: &[Tensor<2>],
    ours: impl Fn(&[Tensor<2>]) -> Tensor<D>,
    theirs: impl Fn(&[Tensor<2>]) -> Tensor<D>,
) {
    let (ours, theirs) = (ours(inputs), theirs(inputs));
    let close = |what: &str, left: Tensor<D>, right: Tensor<D>| {
        let apart = largest_difference(&left.into_data(), &right.into_data()).0;
        assert!(apart <= tolerance::F32, "{name}, {what}: {apart:.1e}");
    };
    close("values", ours.clone(), theirs.clone());
    let factor = det_tensor(ours.dims(), 11, &ours.device(), ours.dtype());
    let [ours, theirs] = [ours, theirs].map(|out| (out * factor.clone()).sum().backward());
    for (index, input) in inputs.iter().enumerate() {
        let grads = [&ours, &theirs].map(|grads| input.grad(grads).expect("tracked").into_data());
        let apart = largest_difference(&grads[0], &grads[1]).0;
        assert!(
            apart <= tolerance::F32,
            "{name}, gradient {index}: {apart:.1e}"
        );
    }
}

fn input(shape: [usize; 2], seed: u64, device: &Device) -> Tensor<2> {
    det_tensor(shape, seed, device, DType::F32).require_grad()
}

/// One row, more rows and more classes than units of a GPU share, with and without smoothing.
#[test]
fn cross_entropy_is_that_of_burn() {
    for backend in backends() {
        let device = backend.device.clone().autodiff();
        for [rows, classes] in [[1, 2], [70, 10], [40, 130]] {
            let labels: Vec<i32> = (0..rows).map(|row| (row * 7 % classes) as i32).collect();
            let labels = TensorData::new(labels, [rows]);
            let labels = Tensor::<1, Int>::from_data(labels, &device);
            for smoothing in [0.0, 0.1] {
                let burns = CrossEntropyLossConfig::new()
                    .with_smoothing((smoothing > 0.0).then_some(smoothing as f32))
                    .init(&device);
                assert_same(
                    &format!("{rows}×{classes}, {smoothing} on {}", backend.name),
                    &[input([rows, classes], 1, &device)],
                    |inputs| cross_entropy(inputs[0].clone(), labels.clone(), smoothing),
                    |inputs| burns.forward(inputs[0].clone(), labels.clone()),
                );
            }
        }
    }
}

/// Small, large enough for several blocks and threads, and with a weight too large for partial sums.
#[test]
fn linear_is_that_of_burn() {
    for backend in backends() {
        let device = backend.device.clone().autodiff();
        for [rows, from, to] in [[6, 5, 3], [700, 96, 130], [300, 520, 530]] {
            let inputs = [
                input([rows, from], 1, &device),
                input([from, to], 2, &device),
                input([1, to], 3, &device),
            ];
            let name = format!("{rows}×{from}→{to} on {}", backend.name);
            let bias = |inputs: &[Tensor<2>]| Some(inputs[2].clone().squeeze_dim::<1>(0));
            assert_same(
                &name,
                &inputs,
                |inputs| linear(inputs[0].clone(), inputs[1].clone(), bias(inputs)),
                |inputs| burn_linear(inputs[0].clone(), inputs[1].clone(), bias(inputs)),
            );
            assert_same(
                &format!("{name}, no bias"),
                &inputs[..2],
                |inputs| linear(inputs[0].clone(), inputs[1].clone(), None),
                |inputs| burn_linear(inputs[0].clone(), inputs[1].clone(), None),
            );
        }
    }
}

#[test]
fn layer_norm_is_that_of_burn() {
    const EPSILON: f64 = 1e-6;
    for backend in backends() {
        let device = backend.device.clone().autodiff();
        for [rows, dim] in [[3, 7], [900, 40]] {
            let inputs = [
                input([rows, dim], 1, &device) * 3.0 + 1.0,
                input([1, dim], 2, &device),
                input([1, dim], 3, &device),
            ]
            .map(|input| input.without_autodiff().autodiff().require_grad());
            assert_same(
                &format!("{rows}×{dim} on {}", backend.name),
                &inputs,
                |inputs| {
                    let [gamma, beta] = [1, 2].map(|i| inputs[i].clone().squeeze_dim::<1>(0));
                    layer_norm(inputs[0].clone(), gamma, beta, EPSILON)
                },
                |inputs| {
                    let x = inputs[0].clone();
                    let centred = x.clone() - x.mean_dim(1);
                    let variance = centred.clone().square().mean_dim(1);
                    let normal = centred / (variance + EPSILON).sqrt();
                    normal * inputs[1].clone() + inputs[2].clone()
                },
            );
        }
    }
}

#[test]
fn layer_norm_of_the_module_is_that_of_burn() {
    for backend in backends() {
        let device = &backend.device;
        for bias in [true, false] {
            let ours = LayerNormConfig::new(24).with_bias(bias).init(device);
            let theirs = BurnLayerNormConfig::new(24).with_bias(bias).init(device);
            let x = det_tensor([2, 5, 24], 1, device, DType::F32);
            let (ours, theirs) = (ours.forward(x.clone()), theirs.forward(x));
            let apart = largest_difference(&ours.into_data(), &theirs.into_data()).0;
            assert!(apart <= tolerance::F32, "{}: {apart:.1e}", backend.name);
        }
    }
}

#[test]
fn records_of_burns_layer_norm_load_into_ours_and_back() {
    let device = Device::flex();
    let values = |seed| det_tensor([6], seed, &device, DType::F32);
    let mut theirs = BurnLayerNormConfig::new(6).init(&device);
    theirs.gamma = Param::from_tensor(values(1));
    theirs.beta = Some(Param::from_tensor(values(2)));
    let ours = LayerNormConfig::new(6).init(&device);
    let ours = ours.load_record(theirs.into_record());
    let back = BurnLayerNormConfig::new(6).init(&device);
    let back = back.load_record(ours.into_record());
    for (got, seed) in [(back.gamma, 1), (back.beta.expect("loaded"), 2)] {
        let want = values(seed).into_data();
        got.val().into_data().assert_eq(&want, true);
    }
}

/// burn-store's adapters know a norm by the name of its type.
#[test]
fn our_layer_norm_is_saved_and_loaded_under_pytorchs_names() {
    let device = Device::flex();
    let values = |seed| det_tensor([6], seed, &device, DType::F32);
    let mut norm = LayerNormConfig::new(6).init(&device);
    norm.gamma = Param::from_tensor(values(1));
    norm.beta = Some(Param::from_tensor(values(2)));
    let mut store = SafetensorsStore::from_bytes(None).with_to_adapter(BurnToPyTorchAdapter);
    norm.save_into(&mut store).unwrap();
    let bytes = store.get_bytes().unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut names = file.names();
    names.sort();
    assert_eq!(names, ["bias", "weight"]);

    let mut store =
        SafetensorsStore::from_bytes(Some(bytes)).with_from_adapter(PyTorchToBurnAdapter);
    let mut loaded = LayerNormConfig::new(6).init(&device);
    loaded.load_from(&mut store).unwrap();
    for (got, seed) in [(loaded.gamma, 1), (loaded.beta.expect("loaded"), 2)] {
        let want = values(seed).into_data();
        got.val().into_data().assert_eq(&want, true);
    }
}

/// Few tokens, and more than fit one block of scores; every reach, with biases and without.
#[test]
fn attention_is_softmax_of_scores_times_values() {
    for backend in backends() {
        let device = backend.device.clone().autodiff();
        for [batch, tokens, heads, width] in [[3, 7, 2, 5], [2, 300, 2, 8]] {
            for (kind, reach, reached) in reaches(batch, tokens, &device) {
                for biased in [false, true] {
                    let mut inputs = vec![input([batch * tokens, 3 * heads * width], 1, &device)];
                    if biased {
                        inputs.push(input([heads * tokens, tokens], 2, &device));
                        inputs.push(input([1, tokens], 3, &device));
                    }
                    let name = format!("{kind}, {tokens} tokens, biased: {biased}");
                    let bias = |inputs: &[Tensor<2>]| {
                        let bias = inputs.get(1).cloned();
                        bias.map(|bias| bias.reshape([1, heads, tokens, tokens]))
                    };
                    let qkv = |inputs: &[Tensor<2>]| {
                        inputs[0]
                            .clone()
                            .reshape([batch, tokens, 3 * heads * width])
                    };
                    assert_same(
                        &format!("{name} on {}", backend.name),
                        &inputs,
                        |inputs| {
                            let options = AttentionOptions::new(heads)
                                .with_bias(bias(inputs))
                                .with_key_bias(inputs.get(2).cloned())
                                .with_reach(reach.clone());
                            attention(Qkv::Fused(qkv(inputs)), options)
                        },
                        |inputs| {
                            let key_bias = inputs.get(2).cloned();
                            let added = bias(inputs)
                                .zip(key_bias)
                                .map(|(bias, key_bias)| bias + key_bias.reshape([1, 1, 1, tokens]));
                            formula(qkv(inputs), heads, added, reached.clone())
                        },
                    );
                }
            }
        }
    }
}

/// On CubeCL two ways are measured then, the faster one of which gives the result; whatever is not a number spreads alike.
#[test]
fn attention_is_the_same_where_products_are_tuned() {
    for backend in backends() {
        // Both sides of the number of keys from which LibTorch's own kernel keeps a NaN.
        for [batch, tokens, heads, width] in [[2, 20, 2, 8], [1, 9, 3, 3]] {
            for odd in [None, Some(f32::NAN), Some(f32::INFINITY)] {
                for part in 0..3 {
                    let shape = [batch, tokens, 3 * heads * width];
                    let mut qkv = det(shape.iter().product(), 1);
                    if let Some(odd) = odd {
                        qkv[5 * 3 * heads * width + part * heads * width] = odd;
                    }
                    let qkv = Tensor::from_data(TensorData::new(qkv, shape), &backend.device);
                    tune_products(true);
                    let ours = attention(Qkv::Fused(qkv.clone()), AttentionOptions::new(heads));
                    let ours = ours.into_data();
                    tune_products(false);
                    let all = Tensor::ones([1, 1, 1, 1], &backend.device);
                    let want = formula(qkv, heads, None, all).into_data();
                    let [ours, want] = [ours, want].map(|data| data.try_to_vec::<f32>().unwrap());
                    for (got, want) in ours.into_iter().zip(want) {
                        let same = match want.is_finite() {
                            true => f64::from(got - want).abs() <= tolerance::F32,
                            false => got == want || got.is_nan() && want.is_nan(),
                        };
                        let place = format!("{odd:?} in {part} of {tokens}, {}", backend.name);
                        assert!(same, "{place}: {got} instead of {want}");
                    }
                }
            }
        }
    }
}

/// Each kind of reach by name, and the same as 1 and 0 for `[batch, 1, queries, keys]`.
fn reaches(
    batch: usize,
    tokens: usize,
    device: &Device,
) -> Vec<(&'static str, Reach, Tensor<4, Int>)> {
    // A third of the last image is padding, and some of the others are.
    let numbers = (0..batch * tokens).map(|token| match token {
        padding if padding % 11 == 3 || padding + tokens / 3 > batch * tokens => -1,
        token => (token / 5 % 3) as i32,
    });
    let numbers: Vec<i32> = numbers.collect();
    let numbers = Tensor::<1, Int>::from_ints(numbers.as_slice(), device).reshape([batch, tokens]);
    let queries = numbers.clone().reshape([batch, 1, tokens, 1]);
    let keys = numbers.clone().reshape([batch, 1, 1, tokens]);
    let shape = [batch, 1, tokens, tokens];
    let valid = numbers.clone().greater_equal_elem(0);
    let both =
        queries.clone().greater_equal_elem(0).int() * keys.clone().greater_equal_elem(0).int();
    let same = queries.expand(shape).equal(keys.expand(shape)).int() * both.clone();
    let lengths: Vec<Vec<usize>> = (0..batch)
        .map(|image| vec![tokens / 2, image + 1])
        .collect();
    let packed = Reach::packed(&lengths, tokens, device);
    let Reach::Segments { queries, .. } = packed.clone() else {
        unreachable!("a pack has segments")
    };
    let rows = queries.clone().reshape([batch, 1, tokens, 1]).expand(shape);
    let columns = queries.reshape([batch, 1, 1, tokens]).expand(shape);
    let in_pack = rows.clone().equal(columns).int() * rows.greater_equal_elem(0).int();
    let mixed = Reach::Segments {
        queries: numbers.clone(),
        keys: numbers,
        spans: None,
    };
    vec![
        ("all", Reach::All, both.ones_like()),
        ("valid", Reach::Valid(valid), both),
        ("mixed segments", mixed, same),
        ("packed", packed, in_pack),
    ]
}

/// The formula with Burn's own operations.
fn formula(
    qkv: Tensor<3>,
    heads: usize,
    bias: Option<Tensor<4>>,
    reached: Tensor<4, Int>,
) -> Tensor<3> {
    let [batch, tokens, columns] = qkv.dims();
    let width = columns / 3 / heads;
    let qkv = qkv.reshape([batch, tokens, 3, heads, width]);
    let part = |part: usize| {
        let part = qkv.clone().slice_dim(2, part..part + 1);
        part.squeeze_dim::<4>(2).swap_dims(1, 2)
    };
    let mut scores = part(0).matmul(part(1).transpose()) / (width as f64).sqrt();
    if let Some(bias) = bias {
        scores = scores + bias;
    }
    let reached = reached.float().expand(scores.dims());
    // Weights of 0 out of reach; what reaches nothing has the same weight everywhere, times 0.
    let scores = scores * reached.clone() - (reached.clone().neg() + 1.0) * 1e6;
    let context = (softmax(scores, 3) * reached).matmul(part(2));
    context
        .swap_dims(1, 2)
        .reshape([batch, tokens, heads * width])
}
