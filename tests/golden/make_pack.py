"""Reference values for images of different sizes together: packs, sizes, tiles and pixel unshuffling.

    python make_pack.py           write pack.safetensors beside this script
    python make_pack.py --check   recompute, compare with that file, write nothing

Everything runs on the CPU in f32. Nothing is random and nothing is downloaded: inputs and weights are det(shape, seed).

size_for_budget is timm's get_image_size_for_seq. any_res is transformers' select_best_resolution and
get_patch_output_size, closest_tiles its get_optimal_tiled_canvas (GOT-OCR2 and InternVL), and the pixels of the tiles
are cut by its divide_to_patches; pictures are resized with torch's bilinear interpolation instead of the processors'
smoothed bicubic. The mergers are transformers' own classes, over the parts of their configs that they read. packed_*
runs timm's Block over one row of all images with the mask of transformers' Pixtral.

Verified with Python 3.11 and
    torch==2.9.0  torchvision==0.24.0  timm==1.0.31  transformers==5.23.0  safetensors==0.8.0  numpy==2.4.6
"""

import itertools
from functools import partial
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from timm.data.naflex_transforms import get_image_size_for_seq
from timm.models.vision_transformer import Block
from transformers.image_processing_utils import get_patch_output_size, select_best_resolution
from transformers.image_transforms import divide_to_patches
from transformers.image_utils import ChannelDimension
from transformers.models.got_ocr2.image_processing_got_ocr2 import get_optimal_tiled_canvas
from transformers.models.idefics3.modeling_idefics3 import Idefics3Connector
from transformers.models.internvl.modeling_internvl import InternVLModel, InternVLMultiModalProjector
from transformers.models.pixtral.modeling_pixtral import generate_block_attention_mask
from transformers.models.qwen2_vl.modeling_qwen2_vl import PatchMerger

from reference import det, fill, main

# LLaVA-NeXT's canvases, [height, width].
CANVASES = [(336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008)]


def pictures(count):
    """Sizes of all kinds, and some that tie."""
    sizes = [(1 + i * 7919 % 2003, 1 + i * 104729 % 1501) for i in range(1, count)]
    return sizes + [(336, 336), (672, 672), (100, 200), (200, 100), (1000, 10), (448, 448), (897, 897)]


def sizes():
    rows = []
    for i, (h, w) in enumerate(pictures(60)):
        patch, budget = ((16, 16), (14, 14), (8, 16))[i % 3], (16, 256, 576, 1024)[i % 4]
        target = get_image_size_for_seq((h, w), patch, budget)[1]
        rows.append((h, w, *patch, budget, *target))
    named = ((480, 640, 256), (480, 640, 1024), (1000, 10, 64), (37, 51, 576), (1, 1, 576), (3, 2, 9))
    for h, w, budget in named:
        rows.append((h, w, 16, 16, budget, *get_image_size_for_seq((h, w), 16, budget)[1]))
    return {"size_for_budget": torch.tensor(rows)}


def tilings():
    any_res, closest = [], []
    for i, size in enumerate(pictures(60)):
        canvas = select_best_resolution(size, CANVASES)
        content = get_patch_output_size(np.zeros((3, *size), np.uint8), canvas, ChannelDimension.FIRST)
        offset = [(canvas[axis] - content[axis]) // 2 for axis in (0, 1)]
        any_res.append((*size, *canvas, *content, *offset))
        least, most, tile = ((1, 12), (1, 6), (2, 5))[i % 3] + ((448, 384)[i % 2],)
        cols, rows = get_optimal_tiled_canvas(size, (tile, tile), least, most)
        closest.append((*size, tile, least, most, rows, cols))
    return {"any_res": torch.tensor(any_res), "closest_tiles": torch.tensor(closest)}


def resized(picture, size):
    return F.interpolate(picture[None], size=size, mode="bilinear", align_corners=False)[0]


def tiles():
    """A picture of 10x23 on LLaVA-NeXT's canvas of its choice, in tiles of 8x8."""
    picture = det((3, 10, 23))
    canvas = select_best_resolution((10, 23), [(8, 16), (16, 8), (16, 16), (8, 24)])
    high, wide = get_patch_output_size(picture.numpy(), canvas, ChannelDimension.FIRST)
    top, left = (canvas[0] - high) // 2, (canvas[1] - wide) // 2
    pad = (left, canvas[1] - wide - left, top, canvas[0] - high - top)
    cut = divide_to_patches(F.pad(resized(picture, (high, wide)), pad), 8)
    return {"any_res_tiles": torch.stack([resized(picture, (8, 8)), *cut])}


def mergers():
    dim, out = 16, 8
    merger = fill(PatchMerger(out, dim, 2))
    # 12 rows in blocks: a grid of 2x6.
    found = {"qwen2vl_merger": merger(det((12, dim)))}

    # Square grids: 4x4.
    config = SimpleNamespace(
        vision_config=SimpleNamespace(hidden_size=dim),
        text_config=SimpleNamespace(hidden_size=out),
        scale_factor=2,
        downsample_ratio=0.5,
        projector_hidden_act="gelu",
    )
    tokens = det((2, 16, dim))
    found["idefics3_connector"] = fill(Idefics3Connector(config))(tokens)
    projector = fill(InternVLMultiModalProjector(config))
    shuffled = InternVLModel.pixel_shuffle(None, tokens.reshape(2, 4, 4, dim), 0.5)
    found["internvl_projector"] = projector(shuffled.reshape(2, 4, 4 * dim))
    return found


def packed():
    """Three images, each behind a class token, in one row; two blocks and a norm."""
    dim, heads, patch = 16, 4, 4
    seeds = itertools.count(1)
    take = lambda *shape: det(shape, next(seeds))
    weight, bias, class_token = take(dim, 2, patch, patch), take(dim), take(1, dim)
    blocks = []
    for _ in range(2):
        block = Block(dim, heads, qkv_bias=True, norm_layer=partial(torch.nn.LayerNorm, eps=1e-6))
        for parameter in block.parameters():
            parameter.copy_(take(*parameter.shape))
        blocks.append(block.eval())
    gamma, beta = take(dim), take(dim)

    rows = []
    for seed, size in enumerate(((8, 12), (16, 8), (4, 20))):
        patches = F.conv2d(det((1, 2, *size), 70 + seed), weight, bias, stride=patch)
        rows.append(torch.cat([class_token, patches.flatten(2)[0].T]))
    lengths = [len(row) for row in rows]
    x = torch.cat(rows)[None]
    mask = generate_block_attention_mask(lengths, x)
    for block in blocks:
        x = block(x, attn_mask=mask)
    x = F.layer_norm(x, (dim,), gamma, beta, 1e-6)[0]
    images = x.split(lengths)
    return {
        "packed_class": torch.stack([image[0] for image in images]),
        "packed_mean": torch.stack([image[1:].mean(0) for image in images]),
    }


@torch.no_grad()
def compute():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    out = {**sizes(), **tilings(), **tiles(), **mergers(), **packed()}
    return {name: tensor.detach().float().contiguous() for name, tensor in out.items()}


if __name__ == "__main__":
    main("pack", compute)
