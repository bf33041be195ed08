//! AdamW as one operation against Burn's, on every backend.

use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Device};
use burn_patch::ops::FusedAdamWConfig;
use burn_patch_tests::{backends, det_tensor, fill, largest_difference, tolerance};

const STEPS: usize = 5;

/// A linear layer after each step, the first before all.
fn run(mut optimizer: ModuleOptimizer, device: &Device) -> Vec<Linear> {
    let layer = fill(LinearConfig::new(7, 5).init(device), 1);
    let mut layers = vec![layer];
    for step in 0..STEPS {
        let layer = layers[step].clone();
        let x = det_tensor([3, 7], step as u64, device, DType::F32);
        let loss = layer.forward(x).square().sum();
        let grads = GradientsParams::from_grads(loss.backward(), &layer);
        layers.push(optimizer.step(1e-2, layer, grads));
    }
    layers
}

/// Earlier layers are read after all steps: no step may change what another still holds.
#[test]
fn every_step_is_that_of_burn_and_leaves_clones_alone() {
    for backend in backends() {
        let device = backend.device.clone().autodiff();
        let fused = FusedAdamWConfig::new()
            .with_weight_decay(0.3)
            .with_epsilon(1e-8);
        let burns = AdamWConfig::new().with_weight_decay(0.3).with_epsilon(1e-8);
        let (ours, burns) = (run(fused.init(), &device), run(burns.init(), &device));
        for (step, (ours, burns)) in ours.iter().zip(&burns).enumerate() {
            let [ours, burns] = [ours, burns].map(|layer| layer.weight.val().into_data());
            let apart = largest_difference(&ours, &burns).0;
            assert!(
                apart <= tolerance::F32,
                "{}, step {step}: {apart:.1e}",
                backend.name
            );
        }
    }
}
