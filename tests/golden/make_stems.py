"""Reference values for convolutional stems and hybrid embeddings.

    python make_stems.py           write stems.safetensors beside this script
    python make_stems.py --check   recompute, compare with that file and with the
                                   outputs beside the checkpoints, write nothing

Everything runs on the CPU in f32. Nothing is random and nothing is downloaded:
each input is det(shape, seed), and each module's weights are filled the same way.

LeViT's stem and the ResNet are timm's. ViT-C's stem is written out from
pycls/models/vit.py (ViTStemConv), which is on no package index.

Verified with Python 3.11 and torch==2.9.0 timm==1.0.31 safetensors==0.8.0 numpy==2.4.6
"""

import argparse
import math
import sys
from functools import partial
from pathlib import Path

import numpy as np
import timm
import torch
from safetensors.torch import load_file, save_file
from timm.layers import GroupNormAct, StdConv2dSame
from timm.models.levit import Stem16
from timm.models.resnetv2 import ResNetV2
from torch import nn

FILE = Path(__file__).resolve().parent / "stems.safetensors"
CHECKPOINTS = FILE.parent / "checkpoints"
TOLERANCE = 1e-6  # largest difference over the tensor's largest magnitude


def det(shape, seed=0):
    """Value i (row-major) is ((i*7919 + seed*104729) mod 2003)/2003 - 0.5, in f64, then f32."""
    i = np.arange(math.prod(shape), dtype=np.int64)
    values = ((i * 7919 + seed * 104729) % 2003) / 2003.0 - 0.5
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


@torch.no_grad()
def fill(module):
    """Parameter k, in parameters() order: det(shape, 1 + k).

    Every running mean: det(shape, 7); every running variance: |det(shape, 8)| + 0.5.
    """
    for k, parameter in enumerate(module.parameters()):
        parameter.copy_(det(tuple(parameter.shape), 1 + k))
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.copy_(det(tuple(norm.running_mean.shape), 7))
            norm.running_var.copy_(det(tuple(norm.running_var.shape), 8).abs() + 0.5)
    return module.eval()


@torch.no_grad()
def levit():
    """timm: four convolutions with batch norms, Hardswish between; then with each norm merged."""
    stem = fill(Stem16(3, 64, nn.Hardswish))
    images = det((1, 3, 64, 64))
    fused = images
    for step in stem.children():
        fused = (step.fuse() if hasattr(step, "fuse") else step)(fused)
    return {"levit_stem16_64": stem(images), "levit_stem16_64_fused": fused}


@torch.no_grad()
def vit_c():
    """Convolutions with batch norms and ReLU, strides 2, 1 and 2, then a 1x1 convolution."""
    layers, channels = [], 3
    for stride, dim in ((2, 8), (1, 8), (2, 16)):
        layers += [
            nn.Conv2d(channels, dim, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(dim),
            nn.ReLU(),
        ]
        channels = dim
    stem = fill(nn.Sequential(*layers, nn.Conv2d(channels, 24, 1)))
    return {"vit_c_stem": stem(det((2, 3, 21, 32)))}


def resnet():
    """timm's ResNet as its hybrids build it, but narrow: stem, two stages, odd sizes; gradients too."""
    model = ResNetV2(
        layers=(2, 1),
        channels=(32, 64),
        stem_chs=16,
        num_classes=0,
        global_pool="",
        preact=False,
        stem_type="same",
        conv_layer=partial(StdConv2dSame, eps=1e-8),
        norm_layer=partial(GroupNormAct, num_groups=8),
    )
    model = fill(model)
    images = det((2, 3, 30, 33)).requires_grad_()
    features = model(images)
    (features * det(tuple(features.shape), 901)).sum().backward()
    return {
        "resnet_v2_features": features,
        "resnet_v2_images_grad": images.grad,
        "resnet_v2_stem_conv_grad": model.stem.conv.weight.grad,
        "resnet_v2_downsample_norm_grad": model.stages[1].blocks[0].downsample.norm.weight.grad,
    }


def compute():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    out = {**levit(), **vit_c(), **resnet()}
    return {name: tensor.detach().float().contiguous() for name, tensor in out.items()}


@torch.no_grad()
def checkpoints():
    """What timm gives for the images beside each checkpoint, and what is stored there."""
    models = {
        "timm_levit_stem": ("levit_128s", "stem", "stem_nchw"),
        "timm_convnext_stem": ("convnext_atto", "stem", "stem_nchw"),
        "timm_hybrid_r_s16_p8": ("vit_tiny_r_s16_p8_224", "patch_embed", "embed"),
    }
    made, kept = {}, {}
    for name, (model, part, output) in models.items():
        size = {"img_size": 64} if part == "patch_embed" else {}
        model = timm.create_model(model, pretrained=False, **size)
        weights = load_file(CHECKPOINTS / name / "model.safetensors")
        missing = model.load_state_dict(weights, strict=False)
        assert not missing.unexpected_keys, missing.unexpected_keys
        assert not [key for key in missing.missing_keys if key.startswith(part + ".")]
        io = load_file(CHECKPOINTS / name / "io.safetensors")
        made[name] = getattr(model.eval(), part)(io["images"])
        kept[name] = io[output]
    return made, kept


def check(made, kept):
    """Print the largest difference per tensor; True if all are within TOLERANCE."""
    good = True
    if made.keys() != kept.keys():
        print("names differ:", sorted(made.keys() ^ kept.keys()))
        good = False
    for name in sorted(made.keys() & kept.keys()):
        a, b = made[name].double(), kept[name].double()
        if a.shape != b.shape or kept[name].dtype != torch.float32:
            print(f"{name:32} made {list(a.shape)} f32, kept {list(b.shape)} {kept[name].dtype}")
            good = False
            continue
        difference = (a - b).abs().max().item()
        relative = difference / max(b.abs().max().item(), 1e-30)
        print(f"{name:32} abs {difference:.3e}  rel {relative:.3e}")
        good &= relative <= TOLERANCE  # false for NaN too
    return good


def main():
    parser = argparse.ArgumentParser(description="Make or check stems.safetensors.")
    parser.add_argument("--check", action="store_true", help="compare and write nothing")
    arguments = parser.parse_args()

    made = compute()
    if arguments.check:
        good = check(made, load_file(FILE)) & check(*checkpoints())
        print("all within" if good else "NOT all within", TOLERANCE)
        sys.exit(0 if good else 1)
    save_file(made, FILE)
    print(f"{len(made)} tensors written to {FILE.name}")


if __name__ == "__main__":
    main()
