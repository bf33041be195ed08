"""PyTorch's half of the comparison: the same protocol and the same work as worker.rs.

torch_worker.py THREADS DEVICE [DTYPE [BATCH [eager|compile]]]
"""

import statistics
import sys
import time

import timm
import torch
import torch.nn.functional as F

THREADS, DEVICE = int(sys.argv[1]), sys.argv[2]
DTYPE, BATCH, MODE = (sys.argv[3:] + ["f32", "8", "eager"][len(sys.argv) - 3:])[:3]
BATCH, DTYPE = int(BATCH), {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}[DTYPE]
INPUTS, SIDE, PATCH, DIM, OVERLAP_DIM = 4, 224, 16, 768, 64
torch.set_num_threads(THREADS)
torch.manual_seed(0)


def ready(module):
    """On the device, in the type asked for, compiled if asked for."""
    module = module.to(DEVICE, DTYPE)
    return torch.compile(module) if MODE == "compile" else module


def pictures(batch, channels, side):
    return [torch.rand(batch, channels, side, side, device=DEVICE, dtype=DTYPE) for _ in range(INPUTS)]


class Conv(torch.nn.Module):
    """conv2d, then tokens in the layout that a transformer reads, `[batch, tokens, dim]`."""

    def __init__(self, kernel, stride, padding, dim):
        super().__init__()
        self.proj = torch.nn.Conv2d(3, dim, kernel, stride, padding)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2).contiguous()


class Linear(torch.nn.Module):
    """The same by reshaping to patches and one matrix product."""

    def __init__(self):
        super().__init__()
        self.proj = torch.nn.Linear(3 * PATCH * PATCH, DIM)

    def forward(self, x):
        b, c, h, w = x.shape
        x = x.reshape(b, c, h // PATCH, PATCH, w // PATCH, PATCH).permute(0, 2, 4, 1, 3, 5)
        return self.proj(x.reshape(b, -1, c * PATCH * PATCH))


def forward(embed):
    images, turn = pictures(BATCH, 3, SIDE), 0

    @torch.no_grad()
    def step():
        nonlocal turn
        turn = (turn + 1) % INPUTS
        embed(images[turn])

    return step


def gradients(embed):
    """The gradients of weight and bias for a given gradient of the tokens."""
    images, turn = pictures(BATCH, 3, SIDE), 0
    with torch.no_grad():
        grad = torch.rand_like(embed(images[0]))

    def step():
        nonlocal turn
        turn = (turn + 1) % INPUTS
        embed.zero_grad(set_to_none=True)
        embed(images[turn]).backward(grad)

    return step


class Normalized(torch.nn.Module):
    """Bytes `[batch, height, width, channels]` to normalised floats, as timm's loader does, then conv2d."""

    MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

    def __init__(self, embed):
        super().__init__()
        self.embed = embed
        for name, values in (("mean", self.MEAN), ("std", self.STD)):
            self.register_buffer(name, 255 * torch.tensor(values).view(1, 3, 1, 1))

    def forward(self, photo):
        return self.embed(photo.permute(0, 3, 1, 2).to(DTYPE).sub_(self.mean).div_(self.std))


def from_bytes(embed):
    photos = [(photo * 255).to(torch.uint8) for photo in pictures(BATCH, 3, SIDE)]
    photos, turn = [photo.permute(0, 2, 3, 1).contiguous() for photo in photos], 0

    @torch.no_grad()
    def step():
        nonlocal turn
        turn = (turn + 1) % INPUTS
        embed(photos[turn])

    return step


def sum_backward(embed):
    images, turn = pictures(BATCH, 3, SIDE), 0

    def step():
        nonlocal turn
        turn = (turn + 1) % INPUTS
        embed.zero_grad(set_to_none=True)
        embed(images[turn]).sum().backward()

    return step


def vit(channels, side, patch, dim, depth, heads):
    return timm.models.vision_transformer.VisionTransformer(
        img_size=side, patch_size=patch, in_chans=channels, num_classes=10, global_pool="avg",
        class_token=False, embed_dim=dim, depth=depth, num_heads=heads,
    )


def train(channels, side, patch, dim, depth, heads, batch):
    model = ready(vit(channels, side, patch, dim, depth, heads))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    images, turn = pictures(batch, channels, side), 0
    labels = torch.arange(batch, device=DEVICE) % 10

    def step():
        nonlocal turn
        turn = (turn + 1) % INPUTS
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(images[turn]), labels).backward()
        optimizer.step()

    return step


def conv():
    return ready(Conv(PATCH, PATCH, 0, DIM))


def linear():
    return ready(Linear())


def overlap():
    return ready(Conv(7, 4, 3, OVERLAP_DIM))


CASES = {
    "linear-forward": lambda: [forward(conv()), forward(linear())],
    "linear-gradients": lambda: [gradients(conv()), gradients(linear())],
    "linear-sum-backward": lambda: [sum_backward(conv()), sum_backward(linear())],
    "overlap-forward": lambda: [forward(overlap())],
    "overlap-gradients": lambda: [gradients(overlap())],
    "overlap-sum-backward": lambda: [sum_backward(overlap())],
    "visible-forward": lambda: [forward(conv()), forward(linear())],
    "bytes-forward": lambda: [
        from_bytes(ready(Normalized(embed))) for embed in (Conv(PATCH, PATCH, 0, DIM), Linear())],
    "train-28-4-64x4": lambda: [train(1, 28, 4, 64, 4, 4, 128)],
    "train-32-4-192x6": lambda: [train(3, 32, 4, 192, 6, 3, 64)],
    "train-vit-ti-16": lambda: [train(3, 224, 16, 192, 12, 3, 8)],
    "train-vit-s-16": lambda: [train(3, 224, 16, 384, 12, 6, BATCH)],
    "infer-vit-s-16": lambda: [forward(ready(vit(3, 224, 16, 384, 12, 6).eval()))],
}


def sync():
    if DEVICE != "cpu":
        torch.cuda.synchronize()


def median(step, iterations):
    times = []
    for _ in range(iterations):
        start = time.perf_counter()
        step()
        sync()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


made = {}
for line in sys.stdin:
    name, iterations = line.split()
    if name not in made:
        made[name] = CASES[name]()
        for step in made[name]:
            for _ in range(3):
                step()
    # Where PyTorch has two ways, its faster one counts.
    print(min(median(step, int(iterations)) for step in made[name]), flush=True)
