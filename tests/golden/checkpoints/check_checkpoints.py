"""Run the reference libraries on the checkpoints in this folder.

    python check_checkpoints.py

Each subfolder holds case.json (the sizes), model.safetensors (the weights, under the
library's own names) and io.safetensors (inputs, and the outputs they should give).
Prints the largest difference per tensor; exits with 1 if one is out of tolerance.

Verified on the CPU with Python 3.11 and
    torch==2.9.0  timm==1.0.31  transformers==5.23.0  safetensors==0.8.0
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from timm.models.vision_transformer import VisionTransformer
from transformers import ViTMAEConfig, ViTMAEForPreTraining

HERE = Path(__file__).resolve().parent
TOLERANCE = 1e-5  # largest difference over the tensor's largest magnitude


def read(name):
    folder = HERE / name
    case = json.loads((folder / "case.json").read_text())
    weights = folder / "model.v5.safetensors"  # transformers: the names that version 5 has in memory
    if not weights.exists():
        weights = folder / "model.safetensors"
    return case, load_file(weights), load_file(folder / "io.safetensors")


def timm_vit(case, weights, io):
    """timm's defaults: class token, exact GELU, LayerNorm eps 1e-6, pooling by class token."""
    model = VisionTransformer(
        img_size=tuple(case["image_size"]),
        patch_size=case["patch_size"],
        embed_dim=case["embed_dim"],
        depth=case["depth"],
        num_heads=case["num_heads"],
        num_classes=case["classes"],
    )
    model.load_state_dict(weights, strict=True)
    model.eval()
    images = io["images"]
    return {
        "embed": model.patch_embed(images),  # before the class token and the positions
        "tokens": model.forward_features(images),  # after the last LayerNorm
        "logits": model(images),
    }


def hf_vit_mae(case, weights, io):
    """transformers' defaults: exact GELU, LayerNorm eps 1e-12; MLPs are 4 times as wide."""
    height, width = case["image_size"]
    assert height == width
    config = ViTMAEConfig(
        image_size=height,
        patch_size=case["patch_size"],
        hidden_size=case["embed_dim"],
        intermediate_size=4 * case["embed_dim"],
        num_hidden_layers=case["depth"],
        num_attention_heads=case["num_heads"],
        decoder_hidden_size=case["decoder_dim"],
        decoder_intermediate_size=4 * case["decoder_dim"],
        decoder_num_hidden_layers=case["decoder_depth"],
        decoder_num_attention_heads=case["decoder_heads"],
        mask_ratio=case["mask_ratio"],
        norm_pix_loss=True,
    )
    model = ViTMAEForPreTraining(config)
    model.load_state_dict(weights, strict=True)
    model.eval()
    output = model(io["images"], noise=io["noise"])
    return {
        "pred": output.logits,
        "mask": output.mask,
        "ids_restore": output.ids_restore,
        "loss": output.loss.reshape(1),
    }


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    good = True
    for run, inputs in ((timm_vit, {"images"}), (hf_vit_mae, {"images", "noise"})):
        case, weights, io = read(run.__name__)
        made = run(case, weights, io)
        assert made.keys() == io.keys() - inputs, "io.safetensors holds other tensors"
        for name, tensor in made.items():
            a, b = tensor.double(), io[name].double()
            assert a.shape == b.shape, name
            difference = (a - b).abs().max().item()
            relative = difference / b.abs().max().item()
            print(f"{run.__name__:10} {name:12} abs {difference:.3e}  rel {relative:.3e}")
            good &= relative <= TOLERANCE  # false for NaN too
    print("all within" if good else "NOT all within", TOLERANCE)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
