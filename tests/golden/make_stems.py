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

from functools import partial
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from timm.layers import GroupNormAct, StdConv2dSame
from timm.models.levit import Stem16
from timm.models.resnetv2 import ResNetV2
from torch import nn

import reference
from reference import det, main

CHECKPOINTS = Path(__file__).resolve().parent / "checkpoints"


@torch.no_grad()
def fill(module):
    """Parameter k, in parameters() order: det(shape, 1 + k).

    Every running mean: det(shape, 7); every running variance: |det(shape, 8)| + 0.5.
    """
    reference.fill(module)
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
        made[name] = getattr(model.eval(), part)(io["images"]).numpy()
        kept[name] = io[output].numpy()
    return made, kept


if __name__ == "__main__":
    main("stems", compute, checkpoints)
