use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn_patch::embed::PatchEmbed;

/// Forward and the gradients of all parameters, for a given gradient of the tokens.
pub(crate) fn gradients(
    embed: &(impl PatchEmbed + Module),
    images: Tensor<4>,
    grad: &Tensor<3>,
) -> GradientsParams {
    let tokens = embed.forward(images).into_embeddings();
    GradientsParams::from_grads((tokens * grad.clone()).sum().backward(), embed)
}
