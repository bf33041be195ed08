"""Write presets.json: what timm's named vision transformers are made of, and how their inputs are prepared.

    python make_presets.py > presets.json

One row per architecture that burn-vit can hold: the arguments that its entry point hands to the family's constructor, the
number of parameters of the model as timm builds it (on the meta device, nothing is downloaded) with the classes
that it then has, and per set of weights the preparation of its inputs.
Made with Python 3.11, torch==2.9.0, timm==1.0.31.
"""

import dataclasses
import functools
import json
import sys

import timm
import torch
from timm.layers import GluMlp, LayerNorm, SwiGLU
from timm.models import beit, deit, eva, naflexvit, registry, vision_transformer

# Arguments that ask for a part that burn-vit does not have.
FOREIGN = {
    "attn_layer", "attn_only_layer_scale", "block_fn", "embed_norm_layer", "final_norm", "num_kv_heads",
    "pool_include_prefix", "proj_bias", "scale_attn_norm", "scale_mlp_norm", "use_post_norm", "scale_attn_inner",
    "attn_pool_mlp_ratio", "attn_pool_num_heads", "use_post_transformer_norm", "pos_embed",
}
# Arguments that change nothing that a model computes.
IDLE = {"dynamic_img_size", "weight_init"}
INPUT = ("input_size", "mean", "std", "interpolation", "crop_pct", "crop_mode", "num_classes")


class Captured(Exception):
    """Carries what an entry point asks for."""


def capture(family):
    def create(variant, pretrained=False, **arguments):
        raise Captured(family, arguments)

    return create


def plain(name, value):
    """A value as JSON holds it; None where burn-vit has no such part."""
    if isinstance(value, functools.partial):
        options = value.keywords
        if value.func is LayerNorm:
            return {"norm_eps": options["eps"]}
        if value.func is GluMlp and not options.get("gate_last", True):
            return {"mlp_layer": "swiglu_packed"}
        return None
    if value is SwiGLU:
        return {"mlp_layer": "swiglu"}
    if value is LayerNorm:
        return {}
    if name == "norm_layer" or isinstance(value, type) or value == "silu":
        return None
    return {name: value}


def arguments_of(name):
    try:
        registry.model_entrypoint(name)()
    except Captured as found:
        family, arguments = found.args
    if "cfg" in arguments:
        default = naflexvit.NaFlexVitCfg()
        arguments = {
            field.name: getattr(arguments["cfg"], field.name)
            for field in dataclasses.fields(default)
            if getattr(arguments["cfg"], field.name) != getattr(default, field.name)
        }
    if FOREIGN & arguments.keys():
        return None
    if "mlp_layer" in arguments and arguments.get("act_layer") is torch.nn.SiLU:
        arguments.pop("act_layer")  # the gate's
    kept = {}
    for key, value in arguments.items():
        value = plain(key, value)
        if value is None:
            return None
        kept.update(value)
    return family, {key: value for key, value in kept.items() if key not in IDLE}


def weights_of(name):
    rows = {}
    for tag in [name] + timm.list_pretrained(name + ".*"):
        cfg = timm.get_pretrained_cfg(tag, allow_unregistered=False).to_dict()
        rows[tag.partition(".")[2]] = {key: cfg[key] for key in INPUT if cfg.get(key) is not None}
    return rows


def main():
    real = {}
    creators = [(vision_transformer, "vision_transformer", "vit"), (deit, "deit", "deit"), (beit, "beit", "beit"),
                (eva, "eva", "eva"), (naflexvit, "naflexvit", "naflexvit")]
    for module, name, _ in creators:
        real[module] = getattr(module, f"_create_{name}")
    rows = {}
    for module, creator, family in creators:
        for name in sorted(registry.list_models(module=module.__name__.rsplit(".", 1)[1])):
            setattr(module, f"_create_{creator}", capture(family))
            row = arguments_of(name)
            setattr(module, f"_create_{creator}", real[module])
            if row is None:
                continue
            with torch.device("meta"):
                model = timm.create_model(name)
            rows[name] = {
                "family": row[0],
                "args": row[1],
                "parameters": sum(value.numel() for value in model.parameters()),
                "classes": model.num_classes,
                "weights": weights_of(name),
            }
    print("{")
    print(",\n".join(f"{json.dumps(name)}: {json.dumps(row, separators=(',', ':'))}" for name, row in rows.items()))
    print("}")
    print(len(rows), "rows", file=sys.stderr)


if __name__ == "__main__":
    main()
