"""What the make_*.py scripts share: formula inputs, comparison with the kept file, the command line."""

import argparse
import math
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

TOLERANCE = 1e-6  # largest difference over the tensor's largest magnitude


def formula(shape, seed=0):
    """Value i (row-major) is ((i*7919 + seed*104729) mod 2003)/2003 - 0.5, in f64, then f32."""
    i = np.arange(math.prod(shape), dtype=np.int64)
    values = ((i * 7919 + seed * 104729) % 2003) / 2003.0 - 0.5
    return values.astype(np.float32).reshape(shape)


def det(shape, seed=0):
    """The formula's values as a PyTorch tensor."""
    import torch
    return torch.from_numpy(formula(shape, seed))


def fill(module):
    """Give parameter k, in parameters() order, the values det(shape, 1 + k)."""
    for k, parameter in enumerate(module.parameters()):
        parameter.data.copy_(det(tuple(parameter.shape), 1 + k))
    return module.eval()


def check(made, kept):
    """Print the largest difference per tensor; True if all are within TOLERANCE."""
    good = True
    if made.keys() != kept.keys():
        print("names differ:", sorted(made.keys() ^ kept.keys()))
        good = False
    for name in sorted(made.keys() & kept.keys()):
        a, b = (np.asarray(values[name], dtype=np.float64) for values in (made, kept))
        if a.shape != b.shape or kept[name].dtype != np.float32:
            print(f"{name:32} made {list(a.shape)} f32, kept {list(b.shape)} {kept[name].dtype}")
            good = False
            continue
        difference = np.abs(a - b).max()
        relative = difference / max(np.abs(b).max(), 1e-30)
        print(f"{name:32} abs {difference:.3e}  rel {relative:.3e}")
        good &= bool(relative <= TOLERANCE)  # false for NaN too
    return good


def main(group, compute, also=lambda: ({}, {})):
    """Make or check GROUP.safetensors; `also` gives what else to compare, made and kept."""
    file = Path(__file__).resolve().parent / f"{group}.safetensors"
    parser = argparse.ArgumentParser(description=f"Make or check {file.name}.")
    parser.add_argument("--check", action="store_true", help="compare and write nothing")
    arguments = parser.parse_args()

    made = {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in compute().items()}
    if arguments.check:
        good = check(made, load_file(file)) & check(*also())
        print("all within" if good else "NOT all within", TOLERANCE)
        sys.exit(0 if good else 1)
    save_file(made, file)
    print(f"{len(made)} tensors written to {file.name}")
