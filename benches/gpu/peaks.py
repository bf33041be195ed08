"""What the card reaches, by PyTorch: a large product in f32 and bf16, TFLOP/s, and a copy, TB/s. Prints JSON."""

import json
import time

import torch


def seconds(work, repeats=10):
    for _ in range(3):
        work()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / repeats


def product(dtype, side=8192):
    a, b = (torch.randn(side, side, device="cuda", dtype=dtype) for _ in range(2))
    return 2 * side**3 / seconds(lambda: a @ b) / 1e12


values = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
copy = torch.empty_like(values)
print(json.dumps({
    "torch": torch.__version__,
    "cuda": torch.version.cuda,
    "cudnn": torch.backends.cudnn.version(),
    "f32": product(torch.float32),
    "bf16": product(torch.bfloat16),
    "copy": 2 * values.numel() / seconds(lambda: copy.copy_(values)) / 1e12,
}))
