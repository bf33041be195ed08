"""Tiny checkpoints in names that make_checkpoints.py does not have: CLIP, DINOv3 and DINOv2 g in timm's, DINOv2 with
registers and the masked autoencoder in their authors'.

    python make_own.py

Weights are seeded noise. Outputs are those of timm and transformers; where the authors' names are written, the same weights
run under the library's. Made on the CPU with Python 3.11,
    torch==2.9.0  timm==1.0.31  transformers==5.23.0  safetensors==0.8.0
"""

import argparse
import functools
import json
import re
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from timm.layers import GluMlp, LayerNorm
from timm.models.beit import Beit, checkpoint_filter_fn
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from transformers import DeiTConfig, DeiTForImageClassification, DeiTForImageClassificationWithTeacher

HERE = Path(__file__).resolve().parent
SIZES = dict(img_size=(32, 32), patch_size=8, embed_dim=48, depth=2, num_heads=3)


def noise(model):
    with torch.no_grad():
        for name, value in model.named_parameters():
            scaled = "norm" in name and name.endswith("weight")
            value.copy_(1 + 0.2 * torch.randn_like(value) if scaled else 0.15 * torch.randn_like(value))
    return model.eval()


def write(name, weights, io, source, config=None):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    contiguous = {key: value.detach().contiguous().clone() for key, value in weights.items()}
    save_file(contiguous, folder / "model.safetensors")
    save_file({key: value.contiguous().clone() for key, value in io.items()}, folder / "io.safetensors")
    (folder / "case.json").write_text(json.dumps({"source": source}, indent=1))
    if config:
        (folder / "config.json").write_text(json.dumps(config, indent=1))


def timm_config(architecture, classes, **arguments):
    sizes = {**SIZES, "img_size": [32, 32]}
    return dict(architecture=architecture, num_classes=classes, model_args={**sizes, **arguments})


def outputs(model, images, other=None):
    io = dict(images=images, tokens=model.forward_features(images), logits=model(images))
    if other is not None:
        io |= dict(images_other=other, tokens_other=model.forward_features(other), logits_other=model(other))
    return io


def clip(images):
    eps = functools.partial(LayerNorm, eps=1e-5)
    model = noise(VisionTransformer(**SIZES, num_classes=10, pre_norm=True, norm_layer=eps, act_layer="quick_gelu"))
    config = timm_config("vit_base_patch16_clip_quickgelu_224", 10)
    write("timm_clip", model.state_dict(), outputs(model, images), "timm VisionTransformer as CLIP", config)


def dinov3(images, other):
    model = noise(
        Eva(
            **SIZES, num_classes=10, dynamic_img_size=True, qkv_bias=False, init_values=1e-5, rope_type="dinov3",
            rope_temperature=100, rope_rotate_half=True, use_rot_pos_emb=True, use_abs_pos_emb=False,
            num_reg_tokens=4, use_fc_norm=False, norm_layer=functools.partial(LayerNorm, eps=1e-5),
        )
    )
    weights = {key: value for key, value in model.state_dict().items() if not key.startswith("rope.")}
    weights |= {key: value for key, value in model.state_dict().items() if key.endswith("periods")}
    config = timm_config("vit_base_patch16_dinov3", 10)
    write("timm_dinov3", weights, outputs(model, images, other), "timm Eva as DINOv3", config)


def deit(images):
    sizes = dict(hidden_size=48, num_hidden_layers=2, num_attention_heads=3, intermediate_size=192, image_size=32)
    for name, model in {
        "hf_deit": DeiTForImageClassification,
        "hf_deit_distilled": DeiTForImageClassificationWithTeacher,
    }.items():
        model = noise(model(DeiTConfig(**sizes, patch_size=8, num_labels=10)))
        io = dict(images=images, tokens=model.deit(images).last_hidden_state, logits=model(images).logits)
        model.save_pretrained(HERE / name)
        write(name, load_file(HERE / name / "model.safetensors"), io, f"transformers {type(model).__name__}")


def beit(images, other):
    arguments = dict(SIZES, num_classes=10, use_abs_pos_emb=False, use_rel_pos_bias=True, init_values=0.1)
    model = noise(Beit(**arguments))
    larger = Beit(**{**arguments, "img_size": tuple(other.shape[2:])}).eval()
    # On load, timm resizes tables in geometric progression.
    larger.load_state_dict(checkpoint_filter_fn(model.state_dict(), larger), strict=False)
    io = outputs(model, images)
    io |= {f"{name}_other": value for name, value in outputs(larger, other).items()}
    config = timm_config("beit_base_patch16_224", 10)
    write("timm_beit_resized", model.state_dict(), io, "timm Beit, loaded for another size", config)


def packed(**more):
    gated = dict(mlp_layer=functools.partial(GluMlp, gate_last=False), act_layer=torch.nn.SiLU)
    return noise(VisionTransformer(**SIZES, init_values=1e-5, mlp_ratio=16 / 3, **gated, **more))


def dinov2_g(images):
    model = packed(num_classes=10)
    config = timm_config("vit_base_patch14_dinov2", 10, mlp_ratio=16 / 3, mlp_layer="swiglu_packed")
    write("timm_dinov2_g", model.state_dict(), outputs(model, images), "timm VisionTransformer, packed SwiGLU", config)


def facebook_dinov2(images):
    model = packed(num_classes=0, reg_tokens=4, no_embed_class=True)
    weights = model.state_dict()
    # One table there: the class token's row and the token are added up in timm.
    row = 0.15 * torch.randn(1, 1, 48)
    weights["pos_embed"] = torch.cat([row, weights["pos_embed"]], 1)
    weights["cls_token"] = weights["cls_token"] - row
    weights["register_tokens"] = weights.pop("reg_token")
    weights["mask_token"] = torch.randn(1, 48)
    names = {".mlp.fc1.": ".mlp.w12.", ".mlp.fc2.": ".mlp.w3."}
    rename = functools.partial(re.sub, r"\.mlp\.fc[12]\.", lambda found: names[found[0]])
    weights = {rename(key): value for key, value in weights.items()}
    io = dict(images=images, tokens=model.forward_features(images))
    write("facebook_dinov2", weights, io, "timm VisionTransformer, under the names of dinov2's own repository")


def facebook_mae():
    source = HERE / "hf_vit_mae"
    theirs = load_file(source / "model.v5.safetensors")
    parts = {
        "vit.embeddings.cls_token": "cls_token",
        "vit.embeddings.position_embeddings": "pos_embed",
        "vit.embeddings.patch_embeddings.projection": "patch_embed.proj",
        "vit.layernorm": "norm",
        "vit.layers": "blocks",
        "decoder.decoder_layers": "decoder_blocks",
        "decoder.": "",
        "layernorm_before": "norm1",
        "layernorm_after": "norm2",
        "attention.o_proj": "attn.proj",
    }
    weights = {}
    for key, value in theirs.items():
        for part, name in parts.items():
            key = key.replace(part, name)
        weights[key] = value
    for key in [key for key in weights if "attention.q_proj" in key]:
        three = [weights.pop(key.replace("q_proj", f"{kind}_proj")) for kind in "qkv"]
        weights[key.replace("attention.q_proj", "attn.qkv")] = torch.cat(three)
    io = load_file(source / "io.safetensors")
    folder = HERE / "facebook_mae"
    folder.mkdir(exist_ok=True)
    torch.save({"model": weights, "epoch": 799, "args": argparse.Namespace(lr=1e-3)}, folder / "model.pth")
    write("facebook_mae", weights, io, "hf_vit_mae, under the names of mae's own repository")


@torch.no_grad()
def main():
    torch.manual_seed(3)
    torch.set_num_threads(1)
    images, other = torch.randn(2, 3, 32, 32), torch.randn(2, 3, 40, 48)
    clip(images)
    dinov3(images, other)
    dinov2_g(images)
    facebook_dinov2(images)
    facebook_mae()
    beit(images, other)
    deit(images)


if __name__ == "__main__":
    main()
