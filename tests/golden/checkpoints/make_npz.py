"""Tiny checkpoints of JAX in .npz files: AugReg's names and big_vision's (FlexiViT, SigLIP's attention pool).

    python make_npz.py

Weights are seeded noise under the names that timm's `_load_weights` reads; outputs are those of timm models that this
function filled, at the weights' own size and at another one. Made on the CPU with Python 3.11,
    torch==2.9.0  timm==1.0.31  numpy==2.4.6  safetensors==0.8.0
"""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer, _load_weights

HERE = Path(__file__).resolve().parent
DIM, HEADS, DEPTH, HIDDEN, CLASSES = 48, 3, 2, 192, 10


def arrays(patch, rows, prefix, big_vision, attention_pool):
    random = np.random.default_rng(5)
    weights = {}

    def add(name, *shape):
        scale = name.endswith("scale")
        value = 1 + 0.2 * random.standard_normal(shape) if scale else 0.15 * random.standard_normal(shape)
        weights[prefix + name] = value.astype(np.float32)

    def norm(name):
        add(f"{name}/scale", DIM)
        add(f"{name}/bias", DIM)

    def dense(name, inputs, outputs):
        add(f"{name}/kernel", inputs, outputs)
        add(f"{name}/bias", outputs)

    def attention(name):
        for part in ("query", "key", "value"):
            add(f"{name}/{part}/kernel", DIM, HEADS, DIM // HEADS)
            add(f"{name}/{part}/bias", HEADS, DIM // HEADS)
        add(f"{name}/out/kernel", HEADS, DIM // HEADS, DIM)
        add(f"{name}/out/bias", DIM)

    add("embedding/kernel", patch, patch, 3, DIM)
    add("embedding/bias", DIM)
    if not attention_pool:
        add("cls", 1, 1, DIM)
    add("pos_embedding" if big_vision else "Transformer/posembed_input/pos_embedding", 1, rows, DIM)
    mha, mlp, second = (0, 0, 1) if big_vision else (1, 3, 2)
    for block in range(DEPTH):
        name = f"Transformer/encoderblock_{block}"
        norm(f"{name}/LayerNorm_0")
        attention(f"{name}/MultiHeadDotProductAttention_{mha}")
        norm(f"{name}/LayerNorm_{second}")
        dense(f"{name}/MlpBlock_{mlp}/Dense_0", DIM, HIDDEN)
        dense(f"{name}/MlpBlock_{mlp}/Dense_1", HIDDEN, DIM)
    norm("Transformer/encoder_norm")
    if attention_pool:
        add("MAPHead_0/probe", 1, 1, DIM)
        attention("MAPHead_0/MultiHeadDotProductAttention_0")
        norm("MAPHead_0/LayerNorm_0")
        dense("MAPHead_0/MlpBlock_0/Dense_0", DIM, HIDDEN)
        dense("MAPHead_0/MlpBlock_0/Dense_1", HIDDEN, DIM)
    else:
        dense("head", DIM, CLASSES)
    return weights


def outputs(path, patch, size, suffix, **more):
    model = VisionTransformer(
        img_size=size, patch_size=patch, embed_dim=DIM, depth=DEPTH, num_heads=HEADS, **more
    ).eval()
    _load_weights(model, str(path))
    images = torch.randn(2, 3, *size)
    tokens = model.forward_features(images)
    io = dict(images=images, embed=model.patch_embed(images), tokens=tokens)
    io["pooled"] = model.forward_head(tokens, pre_logits=True)
    if more["num_classes"]:
        io["logits"] = model.forward_head(tokens)
    return {name + suffix: value for name, value in io.items()}


def write(name, source, weights, patch, image, other_patch, other_image, **more):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    path = folder / "model.npz"
    np.savez(path, **weights)
    io = outputs(path, patch, (image, image), "", **more)
    io |= outputs(path, other_patch, other_image, "_other", **more)
    save_file({key: value.contiguous().clone() for key, value in io.items()}, folder / "io.safetensors")
    (folder / "case.json").write_text(json.dumps({"source": source}, indent=1))


@torch.no_grad()
def main():
    torch.manual_seed(5)
    torch.set_num_threads(1)
    augreg = arrays(8, 17, "", False, False)
    write("flax_augreg", "AugReg's names, timm's loader", augreg, 8, 32, 8, (40, 48), num_classes=CLASSES)
    flexi = arrays(16, 16, "params/", True, False)
    more = dict(num_classes=CLASSES, no_embed_class=True)
    write("flax_flexivit", "FlexiViT's names, timm's loader", flexi, 16, 64, 8, (40, 48), **more)
    siglip = arrays(8, 16, "params/img/", True, True)
    siglip |= {"params/t": np.zeros(1, np.float32), "params/txt/head/bias": np.zeros(4, np.float32)}
    more = dict(num_classes=0, class_token=False, global_pool="map")
    write("flax_siglip", "big_vision's names of SigLIP, timm's loader", siglip, 8, 32, 8, (40, 48), **more)


if __name__ == "__main__":
    main()
