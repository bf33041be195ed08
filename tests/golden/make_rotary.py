"""Reference values for rotary positions and for sin-cos positions of clips.

    python make_rotary.py           write rotary.safetensors beside this script
    python make_rotary.py --check   recompute, compare with that file, write nothing

Everything runs on the CPU in f32. Nothing is downloaded: inputs are det(shape, seed), and DINOv3's
random numbers are replaced by given ones.

An "emb" has a row per token, sines of a head's values, then cosines; an "apply" is what they make of
det((1, 2, 24, 16), 3), as [batch, heads, tokens, width]. Grids have 4 rows and 6 columns unless a name
says otherwise.

V-JEPA's and PyTorchVideo's tables come from research trees that do not install beside timm
(facebookresearch/jepa, src/models/utils/pos_embs.py; facebookresearch/pytorchvideo,
pytorchvideo/layers/positional_encoding.py), so they are written out here from the formulas.

Verified with Python 3.11 and
    torch==2.9.0  timm==1.0.31  transformers==5.23.0  vit-pytorch==1.26.11
    safetensors==0.8.0  numpy==2.4.6
"""

from unittest import mock

import numpy as np
import torch
from timm.layers.pos_embed_sincos import (
    RotaryEmbeddingCat,
    RotaryEmbeddingDinoV3,
    RotaryEmbeddingMixed,
    RotaryEmbeddingMRope,
    apply_rot_embed_cat,
)
from transformers import PixtralVisionConfig, Qwen2VLTextConfig, Qwen3VLTextConfig
from transformers.models.pixtral.modeling_pixtral import PixtralVisionRotaryEmbedding
from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLVisionConfig
from transformers.models.qwen2_vl.modeling_qwen2_vl import (
    Qwen2VLRotaryEmbedding,
    Qwen2VLVisionRotaryEmbedding,
)
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextRotaryEmbedding
from transformers.models.videomae.modeling_videomae import get_sinusoid_encoding_table
from vit_pytorch.simple_vit_3d import posemb_sincos_3d

from reference import det, main

GRID = [4, 6]
CLIP = (3, 2, 4)


def axial():
    """timm: EVA-02's with a reference grid, rope-vit's, pixel bands, an offset (Perception Encoder)."""
    cases = {
        "rope_eva_cat_4x6": dict(in_pixels=False, ref_feat_shape=[4, 4]),
        "rope_axial_xy_theta100_4x6": dict(in_pixels=False, temperature=100.0, grid_indexing="xy"),
        "rope_pixel_4x6": dict(in_pixels=True),
        "rope_pixel_linear_4x6": dict(in_pixels=True, linear_bands=True),
        "rope_offset_xy_4x6": dict(
            in_pixels=False, grid_indexing="xy", grid_offset=1.0, ref_feat_shape=[4, 4]
        ),
    }
    out = {}
    for name, settings in cases.items():
        emb = RotaryEmbeddingCat(16, feat_shape=GRID, **settings).get_embed()
        out[f"{name}_emb"] = emb
        out[f"{name}_apply"] = apply_rot_embed_cat(det((1, 2, 24, 16), 3), emb)
    return out


def vision_language():
    """transformers: the axial positions of Qwen2-VL's and Pixtral's vision encoders, heads of 16."""
    rows, cols = torch.meshgrid(torch.arange(4), torch.arange(6), indexing="ij")
    places = torch.stack([rows.flatten(), cols.flatten()])
    out = {}
    qwen = Qwen2VLVisionRotaryEmbedding(Qwen2VLVisionConfig(embed_dim=32, num_heads=2))
    pixtral = PixtralVisionRotaryEmbedding(
        PixtralVisionConfig(hidden_size=32, num_attention_heads=2)
    )
    for name, model in (("qwen", qwen), ("pixtral", pixtral)):
        cos, sin = model(torch.zeros(1), places.T)
        out[f"rope_{name}_4x6_emb"] = torch.cat([sin, cos], -1)
    return out


def mixed():
    """timm: two blocks of two heads of 16, with formula frequencies."""
    model = RotaryEmbeddingMixed(32, depth=2, num_heads=2, feat_shape=GRID)
    model.freqs.data.copy_(det(tuple(model.freqs.shape), 5))
    return {"rope_mixed_4x6": model.get_embed()}


def dinov3():
    """timm: three norms of coordinates, periods between two, and coordinates moved in training."""
    x = det((1, 2, 24, 16), 3)
    out = {}
    for norm in ("separate", "max", "min"):
        model = RotaryEmbeddingDinoV3(16, temperature=100.0, feat_shape=GRID, normalize_coords=norm)
        emb = model.eval().get_embed()
        out[f"rope_dinov3_{norm}_emb"] = emb
        out[f"rope_dinov3_{norm}_apply"] = apply_rot_embed_cat(x, emb, half=True)
    between = dict(temperature=None, min_period=0.5, max_period=90.0)
    out["rope_dinov3_periods_emb"] = RotaryEmbeddingDinoV3(16, feat_shape=GRID, **between).get_embed()

    # Uniform numbers in [0, 1), in the order in which they are drawn: 2, 2 and 1.
    noise = iter((det((5,), 7) + 0.5).tolist())

    def uniform(tensor, low, high):
        drawn = torch.tensor([next(noise) for _ in range(tensor.numel())]).reshape(tensor.shape)
        return tensor.copy_(low + (high - low) * drawn)

    model = RotaryEmbeddingDinoV3(
        16, feat_shape=GRID, shift_coords=0.3, jitter_coords=1.5, rescale_coords=2.0
    )
    with mock.patch.object(torch.Tensor, "uniform_", uniform):
        out["rope_dinov3_training_emb"] = model.train().get_embed()
    assert next(noise, None) is None
    return out


def multimodal():
    """timm for an image, transformers (Qwen3-VL's and Qwen2-VL's text models) for a clip of 3 x 2 x 4; heads of 32."""
    out = {"rope_mrope_4x6": RotaryEmbeddingMRope(32, mrope_section=(4, 6, 6)).get_embed(GRID)}
    places = torch.tensor(list(np.ndindex(CLIP))).T.unsqueeze(1)
    models = {
        "rope_mrope_3x2x4": (Qwen3VLTextRotaryEmbedding, Qwen3VLTextConfig, [6, 4, 5]),
        "rope_mrope_chunks_3x2x4": (Qwen2VLRotaryEmbedding, Qwen2VLTextConfig, [4, 7, 5]),
    }
    for name, (model, config, section) in models.items():
        rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": section}
        config = config(hidden_size=64, num_attention_heads=2, head_dim=32, rope_parameters=rope)
        cos, sin = model(config)(torch.zeros(1), places)
        out[name] = torch.cat([sin, cos], -1)[0]
    return out


def waves(places, width):
    """Sines, then cosines of a coordinate: width/2 frequencies 10000^(-i/(width/2)), in f64."""
    omega = 10000.0 ** (-np.arange(width // 2) / (width / 2))
    angles = places[:, None] * omega
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def clips():
    """Tables of 3 frames, 2 rows and 4 columns."""
    frame, row, col = (axis.astype(float) for axis in np.array(list(np.ndindex(CLIP))).T)
    jepa = [waves(frame, 16), waves(row, 8), waves(col, 8)]
    third = 2 * int(np.ceil(20 / 6))
    uniform = [waves(axis, third) for axis in (frame, row, col)]
    pytorchvideo = [waves(frame, 8), waves(col, 12), waves(row, 12)]
    tables = {
        "sincos3d_vjepa_d32": np.concatenate(jepa, axis=1),
        "sincos3d_vjepa_uniform_d20": np.concatenate(uniform, axis=1)[:, :20],
        "sincos3d_pytorchvideo_d32": np.concatenate(pytorchvideo, axis=1),
    }
    out = {name: torch.from_numpy(table) for name, table in tables.items()}
    # 27 is no multiple of 6: three columns of zeros behind.
    out["sincos3d_simple_vit_d27"] = posemb_sincos_3d(torch.zeros((1, *CLIP, 27)))
    out["sincos3d_videomae_d10"] = get_sinusoid_encoding_table(24, 10)[0]
    return out


@torch.no_grad()
def compute():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    out = {**axial(), **vision_language(), **mixed(), **dinov3(), **multimodal(), **clips()}
    return {name: tensor.detach().float().contiguous() for name, tensor in out.items()}


if __name__ == "__main__":
    main("rotary", compute)
