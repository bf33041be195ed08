"""Reference values for patch merging, pyramids and Tokens-to-Token.

    python make_hierarchy.py           write hierarchy.safetensors beside this script
    python make_hierarchy.py --check   recompute, compare with that file, write nothing

Everything runs on the CPU in f32. Nothing is random and nothing is downloaded:
each input is det(shape, 0), and each module's weights are filled by formula.

Merging and ConvNeXt come from timm. Tokens-to-Token is in no library that can be
installed with its reduction to 64 values; its blocks are written here from the
paper and the published description (arXiv 2101.11986, section 3.1), apart from
the Rust code, with PyTorch's own Unfold, Linear and LayerNorm.

Verified with Python 3.11 and
    torch==2.9.0  timm==1.0.31  safetensors==0.8.0  numpy==2.4.6

The file holds f32 tensors only.
"""

import math

import torch
from timm.models.convnext import ConvNeXt
from timm.models.swin_transformer import PatchMerging
from timm.models.swin_transformer_v2 import PatchMerging as PatchMergingV2
from torch import nn

from reference import det, fill, main


def levels():
    """timm: merging of both versions, ConvNeXt's stem and downsampling; the plain pyramid in torch."""
    convnext = ConvNeXt(depths=(1, 1, 1, 1), dims=(8, 16, 16, 16))
    out = {
        # Merging takes and gives NHWC; 5x7 is padded to 6x8.
        "swin_merge_5x7": fill(PatchMerging(8))(det((1, 5, 7, 8))),
        "swinv2_merge_4x6": fill(PatchMergingV2(8))(det((1, 4, 6, 8))),
        "swinv2_merge_5x7": fill(PatchMergingV2(8))(det((1, 5, 7, 8))),
        # ConvNeXt is NCHW; what does not divide is dropped.
        "convnext_stem_22x31": fill(convnext.stem)(det((2, 3, 22, 31))),
        "convnext_downsample_7x9": fill(convnext.stages[1].downsample)(det((2, 8, 7, 9))),
    }
    # Two levels of 3x3 convolution, stride 2, BatchNorm with fresh statistics, GELU.
    layers = []
    for channels, dim in ((3, 6), (6, 10)):
        layers += [nn.Conv2d(channels, dim, 3, stride=2, padding=1), nn.BatchNorm2d(dim), nn.GELU()]
    pyramid = fill(nn.Sequential(*layers))
    first = pyramid[:3](det((2, 3, 13, 18)))
    return out | {"conv_pyramid_level0": first, "conv_pyramid_level1": pyramid[3:](first)}


class Mlp(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.fc1 = nn.Linear(dim, dim)
        self.fc2 = nn.Linear(dim, dim)

    def forward(self, x):
        return self.fc2(nn.functional.gelu(self.fc1(x)))


class Transformer(nn.Module):
    """One head; the scale is that of the input's width; the values are the skip."""

    def __init__(self, width, dim):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * dim, bias=False)
        self.proj = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim)
        self.scale = 1 / math.sqrt(width)

    def forward(self, x):
        q, k, v = self.qkv(self.norm1(x)).chunk(3, dim=-1)
        weights = torch.softmax(self.scale * torch.einsum("bid,bjd->bij", q, k), dim=-1)
        y = v + self.proj(torch.einsum("bij,bjd->bid", weights, v))
        return y + self.mlp(self.norm2(y))


class Performer(nn.Module):
    """Positive random features, written as the weights they give, token by token pair."""

    def __init__(self, width, dim):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.kqv = nn.Linear(width, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim)
        self.w = nn.Linear(dim, dim // 2, bias=False)  # the features' directions

    def features(self, x):
        return torch.exp(self.w(x) - x.square().sum(-1, keepdim=True) / 2) / math.sqrt(self.w.out_features)

    def forward(self, x):
        k, q, v = self.kqv(self.norm1(x)).chunk(3, dim=-1)
        weights = self.features(q) @ self.features(k).transpose(1, 2)
        weights = weights / (weights.sum(-1, keepdim=True) + 1e-8)
        y = v + self.proj(weights @ v)
        return y + self.mlp(self.norm2(y))


class TokensToToken(nn.Module):
    def __init__(self, block, token_dim=8, dim=12):
        super().__init__()
        self.block1 = block(3 * 7 * 7, token_dim)
        self.block2 = block(token_dim * 3 * 3, token_dim)
        self.project = nn.Linear(token_dim * 3 * 3, dim)

    def forward(self, x):
        splits = [(7, 4, 2), (3, 2, 1), (3, 2, 1)]
        blocks = [self.block1, self.block2, self.project]
        for (kernel, stride, padding), block in zip(splits, blocks):
            rows, cols = [(side + 2 * padding - kernel) // stride + 1 for side in x.shape[2:]]
            windows = nn.functional.unfold(x, kernel, padding=padding, stride=stride)
            tokens = block(windows.transpose(1, 2))
            x = tokens.transpose(1, 2).unflatten(2, (rows, cols))
        return tokens


def tokens_to_token():
    """40x56 becomes 10x14, 5x7 and 3x4 tokens."""
    images = det((2, 3, 40, 56))
    return {
        "t2t_transformer_40x56": fill(TokensToToken(Transformer))(images),
        "t2t_performer_40x56": fill(TokensToToken(Performer))(images),
    }


@torch.no_grad()
def compute():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    out = {**levels(), **tokens_to_token()}
    return {name: tensor.detach().float().contiguous() for name, tensor in out.items()}


if __name__ == "__main__":
    main("hierarchy", compute)
