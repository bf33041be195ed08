#!/usr/bin/env python3
"""Makes the corpora below corpus/, the files that each target starts from.

    python3 fuzz/make_corpus.py

Headers and configurations are those of tests/golden/checkpoints, without their values; pictures are those of
crates/burn-patch-data/tests. corpus/parquet has a script of its own, and corpus/run is of a
run of tiny-mae. Python's standard library is enough; the same files
give the same corpora.
"""

import gzip
import io
import json
import struct
import tarfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
CHECKPOINTS = HERE.parent / "tests/golden/checkpoints"
PICTURES = HERE.parent / "crates/burn-patch-data/tests/pictures"


def put(target, name, content):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def piece(content):
    """With its length before it, as the targets split their input."""
    return struct.pack("<H", len(content)) + content


def header_of(path):
    """A header, and how many bytes follow it."""
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    return content[8:8 + length], len(content) - 8 - length


def slim(header):
    """The tensors of the stem and the first block, and the least one value of each shape."""
    tensors = json.loads(header)
    kept = {name: tensor for name, tensor in tensors.items() if not any(f".{index}." in name for index in range(1, 40))}
    at = 0
    for tensor in kept.values():
        if "data_offsets" in tensor:
            size = tensor["data_offsets"][1] - tensor["data_offsets"][0]
            tensor["data_offsets"] = [at, at + size]
            at += size
    return json.dumps(kept, separators=(",", ":")).encode(), at


def weights():
    for folder in sorted(path.parent for path in CHECKPOINTS.glob("*/model.safetensors")):
        header, length = slim(header_of(folder / "model.safetensors")[0])
        config = folder / "config.json"
        config = config.read_bytes() if config.exists() else b""
        if config:
            put("config", f"{folder.name}.json", config)
        put("plan", folder.name, piece(config) + header)
        put("header", folder.name, piece(header) + struct.pack(">I", length))
    tiny = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[1],"data_offsets":[8,9]}}'
    put("weights", "tiny.safetensors", struct.pack("<Q", len(tiny)) + tiny + bytes(9))
    index = json.dumps({"metadata": {"total_size": 9}, "weight_map": {"a": "1.safetensors", "b": "2.safetensors"}})
    put("header", "index", piece(index.encode()))


def torch():
    """What torch.save writes for {"a": a tensor of two values}."""
    import zipfile
    pickle = (b"\x80\x02}q\x00X\x01\x00\x00\x00aq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02((X\x07\x00\x00\x00storageq\x03"
              b"ctorch\nFloatStorage\nq\x04X\x01\x00\x00\x000q\x05X\x03\x00\x00\x00cpuq\x06K\x02tq\x07QK\x00K\x02\x85q\x08"
              b"K\x01\x85q\t\x89ccollections\nOrderedDict\nq\n)Rq\x0btq\x0cRq\rs.")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in [("x/data.pkl", pickle), ("x/data/0", bytes(8)), ("x/version", b"3\n")]:
            archive.writestr(zipfile.ZipInfo(name), content)
    put("weights", "tiny.pth", out.getvalue())


def folders(pictures):
    png, jpeg = pictures["upright.png"], pictures["exif-6.jpg"]
    for name, files in {
        "classes": {"cat/0.png": png, "cat/1.jpg": jpeg, "dog/0.png": png, "dog/notes.txt": b"not a picture"},
        "parts": {"train/cat/0.png": png, "train/dog/0.png": png, "val/dog/1.png": png, "val/cow/0.png": png},
        "hidden": {".git/0.png": png, "__MACOSX/._0.png": b"x", "cat/._0.png": b"x", "cat/sub/0.png": png, "cat/1": b""},
        "beside": {"train/cat/0.png": png, "readme.txt": b"x", "test/cat/0.png": png, "val/cat/0.png": png},
    }.items():
        put("folder", name, b"".join(piece(path.encode()) + piece(content) for path, content in files.items()))


def tars(pictures):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in [("0.png", pictures["upright.png"]), ("0.cls", b"1"), ("a/1.jpg", pictures["exif-6.jpg"]),
                              ("a/1.json", b'{"label": 0}'), ("a/1.txt", b"words"), ("é" * 60 + ".cls", b"3")]:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    put("tar", "pax.tar", out.getvalue())


def idx():
    images = struct.pack(">4I", 0x803, 3, 2, 2) + bytes(12)
    labels = struct.pack(">2I", 0x801, 3) + bytes([0, 1, 2])
    put("idx", "plain", piece(images) + labels)
    put("idx", "gzipped", piece(gzip.compress(images, mtime=0)) + gzip.compress(labels, mtime=0))


def main():
    pictures = {path.name: path.read_bytes() for path in sorted(PICTURES.iterdir())
                if path.is_file() and path.suffix != ".py"}
    for name, content in pictures.items():
        put("picture", name, content)
    weights()
    torch()
    folders(pictures)
    tars(pictures)
    idx()


if __name__ == "__main__":
    main()
