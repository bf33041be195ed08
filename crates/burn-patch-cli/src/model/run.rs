//! A loaded model, and running it on a batch.

use burn::nn::Linear;
use burn::tensor::Tensor;
use burn_patch::embed::{LinearPatchEmbed, PatchEmbed};
use burn_patch::layers::apply;
use burn_patch::{Noise, Tokens};
use burn_vit::import::ImportedModel;
use burn_vit::{Mae, Pvt, Swin, Taps, Vit};

use crate::array::Array;
use crate::failure::Failure;
use crate::model::stage::Stage;

/// A loaded model.
#[allow(clippy::large_enum_variant)] // One at a time.
pub(crate) enum Model {
    /// A vision transformer or a masked autoencoder.
    Plain(ImportedModel),
    /// Swin.
    Swin(Swin),
    /// PVT v2.
    Pvt(Pvt),
}

/// Outputs by name.
pub(crate) type Outputs = Vec<(String, Array)>;

impl Model {
    /// Refuses images of another number of channels than the model's.
    pub(crate) fn takes(&self, channels: usize) -> Result<(), Failure> {
        let expected = match self {
            Self::Plain(ImportedModel::Vit(vit)) => vit.patch_embed.proj.weight.dims()[1],
            Self::Plain(ImportedModel::Mae(mae)) => mae.vit.patch_embed.proj.weight.dims()[1],
            Self::Swin(swin) => swin.patch_embed.channels(),
            Self::Pvt(pvt) => pvt.patch_embed.channels(),
        };
        if channels == expected {
            return Ok(());
        }
        Err(Failure::failed(format_args!(
            "images: expected {expected} channels, got {channels}"
        )))
    }

    /// Encoded tokens, of a hierarchical backbone those of the last level.
    pub(crate) fn features(&self, images: Tensor<4>) -> Tokens {
        match self {
            Self::Plain(ImportedModel::Vit(vit)) => vit.forward_features(images, Noise::None),
            Self::Plain(ImportedModel::Mae(mae)) => mae.vit.forward_features(images, Noise::None),
            Self::Swin(swin) => swin.forward_features(images),
            Self::Pvt(pvt) => pvt.forward_features(images),
        }
    }

    /// What the model makes of `images`; of a masked autoencoder, the reconstruction too where there is noise.
    pub(crate) fn outputs(
        &self,
        images: Tensor<4>,
        noise: Option<&[f32]>,
        stage: Option<Stage>,
    ) -> Result<Outputs, Failure> {
        match self {
            Self::Plain(ImportedModel::Vit(vit)) => of_vit(vit, images, stage),
            Self::Plain(ImportedModel::Mae(mae)) => of_mae(mae, images, noise, stage),
            Self::Swin(swin) => {
                let tokens = swin.forward_features(images);
                of_levels(&tokens, swin.head.as_ref(), stage)
            }
            Self::Pvt(pvt) => {
                let tokens = pvt.forward_features(images);
                of_levels(&tokens, pvt.head.as_ref(), stage)
            }
        }
    }
}

fn wanted(stage: Option<Stage>, this: Stage) -> bool {
    stage.is_none_or(|stage| stage == this)
}

fn no_classifier() -> Failure {
    Failure::failed("--stage logits: the model has no classifier")
}

fn of_vit(
    vit: &Vit<LinearPatchEmbed>,
    images: Tensor<4>,
    stage: Option<Stage>,
) -> Result<Outputs, Failure> {
    let mut out = Outputs::new();
    if wanted(stage, Stage::Patch) {
        let embed = vit.patch_embed.forward(images.clone()).into_embeddings();
        out.push(("embed".to_owned(), Array::of(embed)?));
        if stage.is_some() {
            return Ok(out);
        }
    }
    if stage == Some(Stage::Logits) && vit.head.fc.is_none() {
        return Err(no_classifier());
    }
    let mut taps = Taps::default();
    if let Some(Stage::Block(block)) = stage {
        let blocks = vit.encoder.blocks.len();
        if block >= blocks {
            return Err(Failure::failed(format_args!(
                "--stage block:{block}: the model has {blocks} blocks, counted from 0"
            )));
        }
        taps.blocks.push(block);
    }
    let encoded = vit.forward_taps(images, taps, Noise::None);
    if let (Some(Stage::Block(block)), Some(tokens)) = (stage, encoded.taps.into_iter().next()) {
        out.push((
            format!("block_{block}"),
            Array::of(tokens.into_embeddings())?,
        ));
        return Ok(out);
    }
    heads(vit, &encoded.tokens, stage, &mut out)?;
    Ok(out)
}

/// Tokens, and what pooling and classifier make of them.
pub(crate) fn heads(
    vit: &Vit<LinearPatchEmbed>,
    tokens: &Tokens,
    stage: Option<Stage>,
    out: &mut Outputs,
) -> Result<(), Failure> {
    if wanted(stage, Stage::Tokens) {
        out.push(("tokens".to_owned(), Array::of(tokens.embeddings())?));
    }
    if wanted(stage, Stage::Pooled) {
        out.push(("pooled".to_owned(), Array::of(vit.head.pool(tokens))?));
    }
    if wanted(stage, Stage::Logits) && vit.head.fc.is_some() {
        out.push(("logits".to_owned(), Array::of(vit.head.forward(tokens))?));
    }
    Ok(())
}

fn of_mae(
    mae: &Mae<LinearPatchEmbed>,
    images: Tensor<4>,
    noise: Option<&[f32]>,
    stage: Option<Stage>,
) -> Result<Outputs, Failure> {
    let mut out = of_vit(&mae.vit, images.clone(), stage)?;
    if let (Some(noise), None) = (noise, stage) {
        let [batch, _, height, width] = images.dims();
        let expected = mae.noise(batch, [height, width]).map_err(Failure::failed)?;
        if noise.len() != expected {
            return Err(Failure::failed(format_args!(
                "noise: expected {expected} values, one for each patch, got {}",
                noise.len()
            )));
        }
        let output = mae.forward(images, noise);
        let prediction = output.prediction.into_embeddings();
        out.push(("pred".to_owned(), Array::of(prediction)?));
        out.push(("mask".to_owned(), Array::of(output.mask)?));
        out.push(("loss".to_owned(), Array::of(output.loss)?));
    }
    Ok(out)
}

fn of_levels(
    tokens: &Tokens,
    classifier: Option<&Linear>,
    stage: Option<Stage>,
) -> Result<Outputs, Failure> {
    match stage {
        Some(Stage::Patch | Stage::Block(_)) => {
            let reason = "a hierarchical backbone gives tokens, pooled and logits alone";
            return Err(Failure::failed(reason));
        }
        Some(Stage::Logits) if classifier.is_none() => return Err(no_classifier()),
        _ => {}
    }
    let mut out = Outputs::new();
    if wanted(stage, Stage::Tokens) {
        out.push(("tokens".to_owned(), Array::of(tokens.embeddings())?));
    }
    if wanted(stage, Stage::Pooled) {
        out.push(("pooled".to_owned(), Array::of(tokens.mean())?));
    }
    if wanted(stage, Stage::Logits)
        && let Some(classifier) = classifier
    {
        let logits = apply(classifier, tokens.mean());
        out.push(("logits".to_owned(), Array::of(logits)?));
    }
    Ok(out)
}
