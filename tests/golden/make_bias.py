"""Reference values for positions within attention, and for positions that are functions of the place.

    python make_bias.py           write bias.safetensors beside this script
    python make_bias.py --check   recompute, compare with that file, write nothing

Everything runs on the CPU in f32. Nothing is random and nothing is downloaded: inputs and parameters are
det(shape, seed). Weights of linear layers are [input, output] here, as in Burn, and are transposed for PyTorch.

Relative biases, their resizing, Swin v2's perceptron and the convolution over tokens are timm's; decomposed relative
positions are transformers' ViTDet and SAM attention, and timm's MViTv2 with a class token. Learnable Fourier features
(arXiv:2106.02795, algorithm 1) and the biases of distance (CROMA, arXiv:2311.00566) have no package; they are written
out after their formulas. Polynomials are numpy's Legendre series.

Verified with Python 3.11 and
    torch==2.9.0  timm==1.0.31  transformers==5.23.0  safetensors==0.8.0  numpy==2.4.6

The file holds f32 tensors only.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from timm.layers.pos_embed_rel import (
    RelPosBias,
    RelPosMlp,
    gen_relative_log_coords,
    gen_relative_position_index,
    resize_rel_pos_bias_table,
    resize_rel_pos_bias_table_simple,
)
from timm.models.mvitv2 import cal_rel_pos_type
from timm.models.twins import PosConv
from transformers import SamVisionConfig, VitDetConfig
from transformers.models.sam.modeling_sam import SamVisionAttention
from transformers.models.vitdet.modeling_vitdet import VitDetAttention

from reference import det, fill, main

DIM, HEADS = 12, 3


def set_linear(layer, seed):
    """Weight det([input, output], seed), bias, where there is one, the next."""
    layer.weight.data.copy_(det((layer.in_features, layer.out_features), seed).T)
    if layer.bias is not None:
        layer.bias.data.copy_(det((layer.out_features,), seed + 1))


def relative():
    out = {
        "relpos_index_2x3": gen_relative_position_index((2, 3)),
        "relpos_index_2x3_cls": gen_relative_position_index((2, 3), class_token=True),
    }
    table = det((169, 3))
    out["relbias_simple_7to12"] = resize_rel_pos_bias_table_simple(table, (12, 12), (529, 3))
    out["relbias_geometric_7to12"] = resize_rel_pos_bias_table(table, (12, 12), (529, 3))
    # A rectangle, made smaller along rows and larger along columns, with the class token's rows.
    wide = det((5 * 7 + 3, 3), 2)
    out["relbias_geometric_3x4to2x9"] = resize_rel_pos_bias_table(
        wide, (2, 9), (3 * 17 + 3, 3), old_window_size=(3, 4)
    )
    bias = RelPosBias((3, 4), HEADS, prefix_tokens=1)
    bias.relative_position_bias_table.data.copy_(det((38, HEADS), 3))
    out["relbias_3x4_cls"] = bias.get_bias()
    return out


def log_cpb():
    out = {
        "swinv2_logcoords_8_pre0": gen_relative_log_coords((8, 8)),
        "swinv2_logcoords_16_pre8": gen_relative_log_coords((16, 16), (8, 8)),
    }
    for name, window, pretrained in (
        ("logcpb_4x6", (4, 6), (0, 0)),
        ("logcpb_3x5_pre4x6", (3, 5), (4, 6)),
    ):
        bias = RelPosMlp(window, HEADS, 512, 1, "swin", pretrained).eval()
        set_linear(bias.mlp.fc1, 1)
        set_linear(bias.mlp.fc2, 3)
        out[name] = bias.get_bias()
    return out


def set_attention(attention, rows, cols):
    """The parameters of a decomposed attention; its tables are those of a grid of rows and columns."""
    set_linear(attention.qkv, 1)
    set_linear(attention.proj, 3)
    attention.rel_pos_h.data = det((2 * rows - 1, DIM // HEADS), 5)
    attention.rel_pos_w.data = det((2 * cols - 1, DIM // HEADS), 6)
    return attention.eval()


def decomposed():
    config = VitDetConfig(
        hidden_size=DIM, num_attention_heads=HEADS, use_relative_position_embeddings=True
    )
    attention = set_attention(VitDetAttention(config, (3, 4)), 3, 4)
    out = {
        "vitdet_attention_3x4": attention(det((2, 3, 4, DIM), 7))[0].flatten(1, 2),
        "vitdet_attention_5x3": attention(det((2, 5, 3, DIM), 8))[0].flatten(1, 2),
    }
    config = SamVisionConfig(
        hidden_size=DIM, num_attention_heads=HEADS, mlp_dim=2 * DIM, image_size=48, patch_size=16
    )
    config._attn_implementation = "eager"
    attention = set_attention(SamVisionAttention(config, 0), 3, 3)
    out["sam_attention_3x3"] = attention(det((2, 3, 3, DIM), 9))[0].flatten(1, 2)
    # MViTv2 adds nothing for the class token.
    query = det((2, 1 + 6, DIM), 11).reshape(2, 7, HEADS, DIM // HEADS).transpose(1, 2)
    tables = [det((2 * side - 1, DIM // HEADS), 12 + k) for k, side in enumerate((2, 3))]
    out["mvitv2_bias_cls"] = cal_rel_pos_type(
        torch.zeros(2, HEADS, 7, 7), query, True, [2, 3], [2, 3], *tables
    )
    return out


def fourier():
    """Places are row and column in cells of a grid of 3x5; 8 features, 6 hidden, 12 out."""
    w_r, w1, b1, w2, b2 = (
        det(shape, 1 + k) for k, shape in enumerate([(2, 4), (8, 6), (6,), (6, DIM), (DIM,)])
    )
    places = torch.cartesian_prod(torch.arange(3.0), torch.arange(5.0))
    phases = places @ w_r
    features = torch.cat([phases.cos(), phases.sin()], dim=-1) / math.sqrt(8)
    return {"fourier_3x5": (F.gelu(features @ w1 + b1) @ w2 + b2)[None]}


def alibi():
    def of_power(n):
        return [2.0 ** (-8.0 * head / n) for head in range(1, n + 1)]

    slopes = torch.tensor(of_power(4) + of_power(8)[0::2][:2])
    places = torch.cartesian_prod(torch.arange(3.0), torch.arange(4.0))
    return {"alibi_3x4_6heads": -slopes[None, :, None, None] * torch.cdist(places, places)}


def polynomial():
    """Degree 3 over a grid of 3x5: terms by degree, then exponent of the column, none of 3 rows' third power."""
    terms = [(d - x, x) for d in range(4) for x in range(d + 1) if d - x < 3]
    coefficients = det((len(terms), DIM), 1).double().numpy()
    out = {}
    for name, (rows, cols) in (("polynomial_3x5", (3, 5)), ("polynomial_4x2", (4, 2))):
        y, x = np.meshgrid(
            (np.arange(rows) + 0.5) / rows * 2 - 1, (np.arange(cols) + 0.5) / cols * 2 - 1, indexing="ij"
        )
        value = np.zeros((rows, cols, DIM))
        for (i, j), row in zip(terms, coefficients):
            series = np.zeros((i + 1, j + 1))
            series[i, j] = math.sqrt((2 * i + 1) * (2 * j + 1))
            value += np.polynomial.legendre.legval2d(y, x, series)[..., None] * row
        out[name] = torch.from_numpy(value).reshape(1, -1, DIM)
    return out


def peg():
    return {"peg_4x6": fill(PosConv(8, 8))(det((1, 24, 8)), (4, 6))}


@torch.no_grad()
def compute():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    parts = (relative, log_cpb, decomposed, fourier, alibi, polynomial, peg)
    out = {name: tensor for part in parts for name, tensor in part().items()}
    return {name: tensor.detach().float().contiguous() for name, tensor in out.items()}


if __name__ == "__main__":
    main("bias", compute)
