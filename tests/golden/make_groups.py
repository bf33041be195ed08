"""timm's parameter groups for the tiny models of checkpoints/: for each parameter its scale of the learning rate and
whether it decays, as [scale, decays] by folder and name.

    python make_groups.py           write groups.json beside this script
    python make_groups.py --check   recompute, compare with that file, write nothing

Verified with Python 3.11 and
    torch==2.9.0  timm==1.0.31
"""

import functools
import json
import sys
from pathlib import Path

import torch
from timm.layers import LayerNorm
from timm.models.beit import Beit
from timm.models.deit import VisionTransformerDistilled
from timm.models.eva import Eva
from timm.models.pvt_v2 import PyramidVisionTransformerV2
from timm.models.swin_transformer import SwinTransformer
from timm.models.swin_transformer_v2 import SwinTransformerV2
from timm.models.vision_transformer import VisionTransformer
from timm.optim import param_groups_layer_decay, param_groups_weight_decay

FILE = Path(__file__).resolve().parent / "groups.json"

WEIGHT_DECAY, LAYER_DECAY = 0.05, 0.5
SIZES = dict(img_size=(32, 48), patch_size=8, embed_dim=48, depth=2, num_heads=3, num_classes=10)
STAGES = dict(img_size=64, patch_size=4, embed_dim=24, depths=(2, 2), num_heads=(2, 4), window_size=4, num_classes=10)
ROPE = dict(
    attn_type="rope", use_rot_pos_emb=True, use_abs_pos_emb=False, rope_grid_indexing="xy", qkv_bias=True,
    init_values=0.1, class_token=True, global_pool="token", use_fc_norm=False,
)


def models():
    """What make_checkpoints.py, make_more_checkpoints.py and make_own.py build, but for the weights."""
    vit = functools.partial(VisionTransformer, **SIZES)
    eva = functools.partial(Eva, **SIZES, use_rot_pos_emb=True)
    return {
        "timm_vit": vit(),
        "timm_vit_reg4_ls_qknorm": vit(reg_tokens=4, no_embed_class=True, init_values=0.1, qk_norm=True, global_pool="avg"),
        "timm_vit_avg_fcnorm": vit(global_pool="avg", fc_norm=True),
        "timm_vit_map": vit(global_pool="map", class_token=False),
        "timm_clip": vit(pre_norm=True, norm_layer=functools.partial(LayerNorm, eps=1e-5)),
        "timm_deit_distilled": VisionTransformerDistilled(**SIZES),
        "timm_eva02": eva(qkv_fused=False, swiglu_mlp=True, scale_mlp=True, mlp_ratio=8 / 3, ref_feat_shape=(4, 4)),
        "timm_rope_mixed": Eva(**SIZES, **ROPE, rope_type="mixed", rope_temperature=10.0),
        "timm_beit": Beit(**SIZES, use_abs_pos_emb=False, use_rel_pos_bias=True, init_values=0.1),
        "timm_swin": SwinTransformer(**STAGES),
        "timm_swinv2": SwinTransformerV2(**STAGES),
        "timm_pvt_v2": PyramidVisionTransformerV2(
            num_classes=10, depths=(1, 1, 1, 1), embed_dims=(16, 32, 40, 64), num_heads=(1, 2, 5, 8),
            sr_ratios=(8, 4, 2, 1), mlp_ratios=(8.0, 8.0, 4.0, 4.0),
        ),
    }


def groups(model):
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    without = model.no_weight_decay()
    layers = param_groups_layer_decay(model, WEIGHT_DECAY, without, layer_decay=LAYER_DECAY)
    found = {
        names[id(parameter)]: [group["lr_scale"], group["weight_decay"] > 0]
        for group in layers for parameter in group["params"]
    }
    # Both functions decay the same parameters.
    for group in param_groups_weight_decay(model, WEIGHT_DECAY, no_weight_decay_list=without):
        for parameter in group["params"]:
            assert found[names[id(parameter)]][1] == (group["weight_decay"] > 0), names[id(parameter)]
    assert found.keys() == set(names.values())
    return found


def main():
    with torch.no_grad():
        found = {folder: groups(model) for folder, model in models().items()}
    folders = (
        json.dumps(folder) + ": {\n" + ",\n".join(f"  {json.dumps(name)}: {json.dumps(names[name])}" for name in names) + "\n}"
        for folder, names in found.items()
    )
    text = "{\n" + ",\n".join(folders) + "\n}\n"
    if "--check" in sys.argv:
        same = json.loads(FILE.read_text()) == found
        print("the same" if same else "NOT the same")
        sys.exit(0 if same else 1)
    FILE.write_text(text)


if __name__ == "__main__":
    main()
