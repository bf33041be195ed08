//! ToMe on a picture: which patches became one token, drawn over it.
//!
//! On 2 cores, once compiled: 1 s.
//!
//! ```text
//! $ cargo run -p burn-patch-small --bin merge_tokens -- --out merged.png
//! tokens in each block: [1536, 1366, 1196, 1026, 856, 686, 516, 346]
//! regions: merged.png
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use burn::tensor::Device;
use burn_patch::Noise;
use burn_patch::embed::LinearPatchEmbedConfig;
use burn_patch::position::{AnyPositionConfig, SinCosPositionConfig};
use burn_patch::reduce::{AnyReduceConfig, MergeSchedule, ToMeConfig};
use burn_patch_small::{draw_regions, emoji, to_tensor};
use burn_vit::{EncoderConfig, ReduceAt, VitConfig};
use clap::Parser;
use support::{Error, program, say};

const DEPTH: usize = 8;
const PATCH: usize = 2;
const SIZE: [usize; 2] = [64, 96];

/// Draw what ToMe merges in a picture.
#[derive(Parser)]
struct Args {
    /// The PNG to write
    #[arg(long, default_value = "merged.png")]
    out: PathBuf,
}

fn run(args: &Args) -> Result<(), Error> {
    let device = Device::flex();
    device.seed(0);
    let picture = emoji([12, 6], [2, 3]);
    let pixels = to_tensor(&picture, &device).unsqueeze_dim(0);
    let tome = AnyReduceConfig::ToMe(ToMeConfig::new(MergeSchedule::Constant(170)));
    let encoder = EncoderConfig::new(DEPTH, 4)
        .with_position(AnyPositionConfig::SinCos(SinCosPositionConfig::new()))
        .with_reducers(ReduceAt::every(&tome, DEPTH));
    let embed = LinearPatchEmbedConfig::new([PATCH; 2], 3, 64).init(&device);
    let vit = VitConfig::new(SIZE, encoder).init(embed, &device);
    let tokens = vit.layout(SIZE)?.attended;
    say(format_args!("tokens in each block: {tokens:?}"));
    let encoded = vit.forward_taps(pixels, &[], Noise::None);
    let owner = encoded.restore.expect("ToMe leads back").owner();
    let owner: Vec<i32> = owner.into_data().try_to_vec_as().expect("whole numbers");
    draw_regions(&picture, &owner, PATCH as u32, &args.out)?;
    say(format_args!("regions: {}", args.out.display()));
    Ok(())
}

fn main() -> ExitCode {
    program(run)
}
