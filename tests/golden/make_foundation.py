"""Reference values for patch embedding, sin-cos positions and MAE masking.

    python make_foundation.py           write foundation.safetensors beside this script
    python make_foundation.py --check   recompute, compare with that file, write nothing

Everything runs on the CPU in f32. Nothing is random and nothing is downloaded:
each input is det(shape, seed), and each module's weights are filled the same way.

Verified with Python 3.11 and
    torch==2.9.0  timm==1.0.31  transformers==5.23.0  vit-pytorch==1.26.11
    safetensors==0.8.0  numpy==2.4.6

The file holds f32 tensors only; mae_ids_restore is integers stored as f32.
"""

import torch
from timm.layers import PatchEmbed, build_sincos2d_pos_embed
from timm.models.pvt_v2 import OverlapPatchEmbed
from torch import nn
from transformers import ViTMAEConfig, ViTMAEForPreTraining
from transformers.models.vit_mae.modeling_vit_mae import (
    ViTMAEDecoderOutput,
    build_2d_sinusoidal_position_embedding,
)
from vit_pytorch.simple_vit import posemb_sincos_2d

from reference import det, fill, main


def patch_embeddings():
    """timm: square and rectangular patches, padding, norm, overlapping patches."""
    out = {}

    # 2 images of 32x48, patches of 8x16: a 4x3 grid.
    for layout in ("NLC", "NCHW", "NHWC"):
        embed = PatchEmbed(
            img_size=(32, 48), patch_size=(8, 16), in_chans=3, embed_dim=32, output_fmt=layout
        )
        out[f"patch_embed_{layout}"] = fill(embed)(det((2, 3, 32, 48)))

    # 30x45 is padded with zeros, below and on the right, to 32x48.
    embed = PatchEmbed(
        img_size=None,
        patch_size=(8, 16),
        in_chans=3,
        embed_dim=32,
        strict_img_size=False,
        dynamic_img_pad=True,
    )
    out["patch_embed_dynpad_30x45"] = fill(embed)(det((1, 3, 30, 45)))

    # No bias in the projection, then a LayerNorm (eps 1e-5).
    embed = PatchEmbed(
        img_size=32, patch_size=8, in_chans=3, embed_dim=32, norm_layer=nn.LayerNorm, bias=False
    )
    out["patch_embed_ln_nobias"] = fill(embed)(det((1, 3, 32, 32)))

    # PVT v2: overlapping convolution, then a LayerNorm; the output is NHWC.
    embed = OverlapPatchEmbed(patch_size=7, stride=4, in_chans=3, embed_dim=16)
    out["pvtv2_overlap_k7s4_33x47"] = fill(embed)(det((1, 3, 33, 47)))
    embed = OverlapPatchEmbed(patch_size=3, stride=2, in_chans=16, embed_dim=32)
    out["pvtv2_overlap_k3s2"] = fill(embed)(det((1, 16, 9, 12)))
    return out


def sincos_positions():
    """Four conventions for 2D sin-cos tables: 2 rows, 3 columns, 16 features."""
    hw = build_2d_sinusoidal_position_embedding(2, 3, 16)
    h, w = hw.split(8, dim=1)
    return {
        "sincos2d_timm_2x3_d16": build_sincos2d_pos_embed([2, 3], 16),
        "sincos2d_timm_interleave": build_sincos2d_pos_embed([2, 3], 16, interleave_sin_cos=True),
        # transformers: [sin h, cos h, sin w, cos w]; MAE weights have the w half first.
        "sincos2d_hf_hw": hw,
        "sincos2d_mae_wh": torch.cat([w, h], dim=1),
        # big_vision, as in vit-pytorch's SimpleViT: frequencies divided by (d/4 - 1).
        "sincos2d_bigvision_2x3_d16": posemb_sincos_2d(2, 3, 16),
    }


class FixedDecoder(nn.Module):
    """Stands in for the MAE decoder and always predicts the same patches."""

    def __init__(self, pred):
        super().__init__()
        self.pred = pred

    def forward(self, *_args, **_kwargs):
        return ViTMAEDecoderOutput(logits=self.pred)


def mae():
    """transformers ViTMAE: masking, patchify, normalised targets and the loss."""
    config = ViTMAEConfig(
        image_size=16,
        patch_size=4,
        num_channels=3,
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        decoder_hidden_size=8,
        decoder_intermediate_size=16,
        decoder_num_hidden_layers=1,
        decoder_num_attention_heads=1,
        mask_ratio=0.75,
        norm_pix_loss=True,
    )
    # Nothing recorded here depends on the model's weights.
    model = ViTMAEForPreTraining(config).eval()

    # The noise has no ties. 4 of 16 patches are kept; mask is 1 where removed.
    keep, mask, ids_restore = model.vit.embeddings.random_masking(
        det((2, 16, 4)), noise=det((2, 16), 9)
    )

    images = det((2, 3, 16, 16))
    patches = model.patchify(images)  # features in (row, column, channel) order

    # The library does not return its target, so it is written out here:
    # per patch, with the unbiased (n - 1) variance.
    mean = patches.mean(dim=-1, keepdim=True)
    var = patches.var(dim=-1, keepdim=True, correction=1)
    target = (patches - mean) / (var + 1e-6).sqrt()

    # The loss is the library's own, for a fixed prediction; it must agree with that target.
    pred = det((2, 16, 48), 11)
    model.decoder = FixedDecoder(pred)
    loss = model(images, noise=det((2, 16), 9)).loss
    by_hand = ((pred - target).square().mean(dim=-1) * mask).sum() / mask.sum()
    torch.testing.assert_close(loss, by_hand, rtol=1e-6, atol=0.0)

    return {
        "mae_keep": keep,
        "mae_mask": mask,
        "mae_ids_restore": ids_restore,
        "mae_patchify_p4": patches,
        "mae_normpix_target_unbiased": target,
        "mae_loss": loss.reshape(1),
    }


@torch.no_grad()
def compute():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    out = {**patch_embeddings(), **sincos_positions(), **mae()}
    return {name: tensor.detach().float().contiguous() for name, tensor in out.items()}


if __name__ == "__main__":
    main("foundation", compute)
