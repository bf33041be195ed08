"""Reference values for resampling: patch kernels, channels, position tables.

    python make_resample.py           write resample.safetensors beside this script
    python make_resample.py --check   recompute, compare with that file, write nothing

Everything runs on the CPU in f32. Nothing is random and nothing is downloaded: inputs and
weights are det(shape, seed), module parameters det(shape, 1), det(shape, 2), ... in parameters() order.

No table here has a side of one cell: PyTorch's antialiased resize of NCHW tensors of width 1 repeats one
value (seen in 2.9 to 2.15).

Verified with Python 3.11 and
    torch==2.9.0  timm==1.0.31  transformers==5.23.0  safetensors==0.8.0  numpy==2.4.6
"""

import torch
from timm.data.naflex_dataset import NaFlexCollator
from timm.data.naflex_transforms import patchify_image
from timm.layers import resample_abs_pos_embed, resample_patch_embed
from timm.models._manipulate import adapt_input_conv
from timm.models.naflexvit import NaFlexEmbeds
from torch.nn import functional as F
from transformers import Siglip2VisionConfig
from transformers.models.idefics2.configuration_idefics2 import Idefics2VisionConfig
from transformers.models.idefics2.modeling_idefics2 import Idefics2VisionEmbeddings
from transformers.models.siglip2.modeling_siglip2 import Siglip2VisionEmbeddings

from reference import det, fill, main


def kernels():
    """FlexiViT's resize in timm's form, as bicubic with and bilinear with and without antialias."""
    out = {}
    for height, width in ((8, 8), (14, 14), (32, 32), (12, 20)):
        for mode, antialias in (("bicubic", True), ("bilinear", False), ("bilinear", True)):
            kernel = resample_patch_embed(
                det((4, 3, 16, 16)), [height, width], interpolation=mode, antialias=antialias
            )
            out[f"pi_resize_16to{height}x{width}_{mode}_aa{int(antialias)}"] = kernel
    return out


def tables():
    """timm, transformers' ViT, SigLIP 2 and DINOv2's own; the last two without prefix, as maps."""
    out = {}
    table = det((1, 197, 8))
    grid = table[:, 1:].reshape(1, 14, 14, 8).permute(0, 3, 1, 2)
    for rows, cols in ((16, 16), (10, 20), (7, 7), (24, 24)):
        size = f"{rows}x{cols}"
        out[f"abs_pos_timm_{size}_bicubic_aa"] = resample_abs_pos_embed(
            table, [rows, cols], [14, 14], num_prefix_tokens=1
        )
        resized = F.interpolate(grid, size=(rows, cols), mode="bicubic", align_corners=False)
        resized = resized.permute(0, 2, 3, 1).reshape(1, -1, 8)
        out[f"abs_pos_hf_{size}_bicubic_noaa"] = torch.cat([table[:, :1], resized], 1)
        out[f"abs_pos_siglip2_{size}_bilinear_aa"] = F.interpolate(
            grid, size=(rows, cols), mode="bilinear", align_corners=False, antialias=True
        )
        scale = (float(rows + 0.1) / 14, float(cols + 0.1) / 14)
        out[f"abs_pos_dinov2_{size}_offset0.1"] = F.interpolate(
            grid, scale_factor=scale, mode="bicubic", antialias=False
        )
    out["abs_pos_rect_2x8_to_4x4"] = resample_abs_pos_embed(
        det((1, 16, 8)), [4, 4], [2, 8], num_prefix_tokens=0
    )
    return out


def corners():
    """RADIO's resize (radio/vit_patch_generator.py: the square of the longer side, its top left) with corners
    aligned and not, and Qwen3-VL's and big_vision's, which is the former without the square."""
    grid = det((1, 14, 14, 8)).permute(0, 3, 1, 2)
    out = {"abs_pos_corners_10x20": F.interpolate(grid, size=(10, 20), mode="bilinear", align_corners=True)}
    for name, align in (("radio", False), ("radio_corners", True)):
        square = F.interpolate(grid, size=(20, 20), mode="bilinear", align_corners=align)
        out[f"abs_pos_{name}_10x20"] = square[..., :10, :20]
    return out


def channels():
    return {f"in_chans_3to{n}": adapt_input_conv(n, det((2, 3, 4, 4))) for n in (1, 4, 5, 7)}


def naflex():
    """timm's NaFlex embeddings of 24x40, 40x16 and 32x32 pixels in patches of 8; zeros in the padding to 20."""
    samples = []
    for seed, (height, width) in enumerate([(24, 40), (40, 16), (32, 32)]):
        patches, coordinates, valid = patchify_image(det((3, height, width), seed), (8, 8))
        samples.append(({"patches": patches, "patch_coord": coordinates, "patch_valid": valid}, 0))
    batch, _ = NaFlexCollator(20)(samples)
    valid = torch.cat([torch.ones(3, 3, dtype=torch.bool), batch["patch_valid"]], 1)
    out = {}
    for position in ("learned", "factorized"):
        for aspect in (False, True):
            for grid_sample in (False, True):
                embed = fill(NaFlexEmbeds(
                    patch_size=8, in_chans=3, embed_dim=16, proj_type="linear", class_token=True,
                    reg_tokens=2, pos_embed=position, pos_embed_grid_size=(6, 6),
                    pos_embed_ar_preserving=aspect, pos_embed_use_grid_sample=grid_sample,
                    pos_embed_interp_mode="bilinear",
                ))
                tokens, _ = embed(batch["patches"], batch["patch_coord"], batch["patch_valid"])
                name = f"naflex_{position}_ar{int(aspect)}_gs{int(grid_sample)}"
                out[name] = tokens * valid[..., None]
    return out


def siglip2():
    config = Siglip2VisionConfig(hidden_size=16, num_channels=3, patch_size=4, num_patches=16)
    embed = fill(Siglip2VisionEmbeddings(config))
    return {"siglip2_embed": embed(det((2, 20, 48)), torch.tensor([[3, 6], [5, 4]]))}


def idefics2():
    """Two images on a grid of 3x5 cells, of which the second fills 2x4."""
    embed = fill(Idefics2VisionEmbeddings(Idefics2VisionConfig(hidden_size=16, image_size=32, patch_size=8)))
    valid = torch.zeros(2, 3, 5, dtype=torch.bool)
    valid[0] = True
    valid[1, :2, :4] = True
    return {"idefics2_bucket_embed": embed(det((2, 3, 24, 40)), valid)}


@torch.no_grad()
def compute():
    return kernels() | tables() | corners() | channels() | naflex() | siglip2() | idefics2()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main("resample", compute)
