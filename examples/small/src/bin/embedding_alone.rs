//! An embedding within a model of one's own: Burn's layers around burn-patch's, and nothing of burn-vit.
//!
//! On 2 cores, once compiled: 15 s.
//!
//! ```text
//! $ cargo run -p burn-patch-small --bin embedding_alone
//! 49 patches
//! accuracy 0.658
//! ```

use std::process::ExitCode;

use burn::module::Module;
use burn::nn::{Gelu, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_patch::embed::{OverlapPatchEmbed, OverlapPatchEmbedConfig, PatchEmbed};
use burn_patch_small::{Fashion, Training};
use support::{Error, program, say};

/// Patches that overlap, a layer for each of them, the mean of all, a classifier.
#[derive(Module, Debug)]
struct BagOfPatches {
    embed: OverlapPatchEmbed,
    hidden: Linear,
    classes: Linear,
}

impl BagOfPatches {
    fn new(device: &Device) -> Self {
        Self {
            embed: OverlapPatchEmbedConfig::new([7, 7], [4, 4], 1, 64).init(device),
            hidden: LinearConfig::new(64, 128).init(device),
            classes: LinearConfig::new(128, 10).init(device),
        }
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let tokens = self.embed.forward(images);
        let tokens = tokens.map(|patches| Gelu::new().forward(self.hidden.forward(patches)));
        self.classes.forward(tokens.mean())
    }
}

fn run(args: &Training) -> Result<(), Error> {
    let device = Device::flex();
    let fashion = Fashion::load(args, &device)?;
    let model = BagOfPatches::new(&device);
    let patches = model.embed.tokens([28, 28])?;
    say(format_args!("{patches} patches"));
    let model = fashion.train(model, |model, images| model.forward(images))?;
    let accuracy = fashion.accuracy(|images| model.forward(images));
    say(format_args!("accuracy {accuracy:.3}"));
    Ok(())
}

fn main() -> ExitCode {
    program(run)
}
