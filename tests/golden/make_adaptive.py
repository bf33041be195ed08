"""Reference values for patches of adaptive size: quadtree scores and selection, and a routing.

    python make_adaptive.py           write adaptive.safetensors beside this script
    python make_adaptive.py --check   recompute, compare with that file, write nothing

None of the methods can be installed, so the reference is written here from their formulas, apart from
the library: in numpy in f64, a heap for the quadtree, loops over nodes and regions. The bilinear resizing
of Quadformer's blur is torch's own (torchvision.transforms.functional.resize of a tensor with antialias
off is torch.nn.functional.interpolate).

Quadformer: Ronen et al., arXiv 2302.07685, repository TomerRonen34/mixed_resolution_vit, mixed_res/.
APT: Choudhury et al., arXiv 2510.18091, repository rccchoudhury/apt, src/models/.
Gumbel-softmax: Jang et al., arXiv 1611.01144.

Nothing is random and nothing is downloaded: each input is det(shape, seed).

Verified with Python 3.11 and torch==2.9.0  safetensors==0.8.0  numpy==2.4.6

The file holds f32 tensors only.
"""

import heapq
import math

import numpy as np
import torch
from torch.nn.functional import interpolate

from reference import formula as det, main


BATCH, SIDE, PATCH, LEVELS, DIM = 2, 32, 4, 3, 8
SPLITS = 6
RIM = (28, 20)  # an image that the larger patches do not divide


def pictures(height, width):
    """Noise whose strength rises to the lower right, in [0, 256]."""
    noise = det((BATCH, 3, height, width), 0).astype(np.float64)
    rows = np.arange(height)[:, None] / height
    cols = np.arange(width)[None, :] / width
    strength = np.stack([(rows + cols) / 2, np.maximum(rows - cols, cols - rows)])
    return (128 + 255 * noise * strength[:, None]).astype(np.float32).astype(np.float64)


def blocks(values, side):
    """Whole blocks of the last two axes: (row, col, values of the block)."""
    height, width = values.shape[-2:]
    for row in range(height // side):
        for col in range(width // side):
            part = values[..., row * side : (row + 1) * side, col * side : (col + 1) * side]
            yield row, col, part


def per_node(values, side, score):
    """score(block) for each whole block of one image."""
    out = np.zeros((values.shape[-2] // side, values.shape[-1] // side))
    for row, col, part in blocks(values, side):
        out[row, col] = score(part)
    return out


def blur_scores(image, side):
    """Quadformer's pixel blur, with the sign that makes detail large."""
    factor = side // PATCH
    height, width = [size // side * side for size in image.shape[-2:]]
    whole = torch.from_numpy(image[None, :, :height, :width])
    small = interpolate(whole, scale_factor=1 / factor, mode="bilinear", align_corners=False)
    back = interpolate(small, size=(height, width), mode="bilinear", align_corners=False)
    error = ((back - whole) ** 2)[0].numpy()
    return per_node(error, side, lambda part: np.sqrt(part.mean() * side))


def entropy_scores(image, side, bins):
    """APT's entropy of the grey histogram, values in [0, 256)."""
    # The library sums in f32: where a value falls beside a bin's edge must not depend on that.
    red, green, blue = image.astype(np.float32)
    grey = np.float32(0.2989) * red + np.float32(0.587) * green + np.float32(0.114) * blue

    def score(part):
        index = np.clip(np.floor(part * (bins / 256.0)).astype(int), 0, bins - 1)
        share = np.bincount(index.ravel(), minlength=bins) / part.size
        return -(share * np.log2(share + 1e-10)).sum()

    return per_node(grey, side, score)


def variance_scores(image, side):
    return per_node(image, side, lambda part: np.mean([channel.var() for channel in part]))


class Node:
    """A square of whole patches; children may stand alone where it would stick out."""

    def __init__(self, level, row, col):
        self.level, self.row, self.col = level, row, col

    def children(self):
        for row in (0, 1):
            for col in (0, 1):
                yield Node(self.level - 1, 2 * self.row + row, 2 * self.col + col)

    def box(self):
        side = PATCH * 2**self.level
        return [(self.row + 0.5) * side, (self.col + 0.5) * side, side, side]

    def order(self):
        return (-self.level, self.row, self.col)


def roots(height, width, levels):
    """Whole squares that lie in no larger whole square."""

    def whole(level, row, col):
        side = PATCH * 2**level
        return level < levels and (row + 1) * side <= height and (col + 1) * side <= width

    for level in range(levels):
        side = PATCH * 2**level
        for row in range(height // side):
            for col in range(width // side):
                if not whole(level + 1, row // 2, col // 2):
                    yield Node(level, row, col)


def search(height, width, levels, scores, splits):
    """Split the node with the largest score, so many times; scores[level][row, col]."""
    heap, leaves = [], []

    def put(node):
        if node.level == 0:
            leaves.append(node)
        else:
            score = scores[node.level][node.row, node.col]
            heapq.heappush(heap, (-score, node.order(), node))

    for node in roots(height, width, levels):
        put(node)
    for _ in range(splits):
        for child in heapq.heappop(heap)[2].children():
            put(child)
    return sorted(leaves + [node for _, _, node in heap], key=Node.order)


def threshold(height, width, levels, scores, thresholds):
    """Split where the score reaches the level's threshold."""
    leaves, open_nodes = [], list(roots(height, width, levels))
    while open_nodes:
        node = open_nodes.pop()
        if node.level and scores[node.level][node.row, node.col] >= thresholds[node.level - 1]:
            open_nodes.extend(node.children())
        else:
            leaves.append(node)
    return sorted(leaves, key=Node.order)


def embedded(image, node, weight, bias):
    """The middle two by two pixels of each block of the node, projected."""
    side, factor = PATCH * 2**node.level, 2**node.level
    part = image[:, node.row * side : (node.row + 1) * side, node.col * side : (node.col + 1) * side]
    small = np.zeros((3, PATCH, PATCH))
    for row in range(PATCH):
        for col in range(PATCH):
            block = part[:, row * factor : (row + 1) * factor, col * factor : (col + 1) * factor]
            middle = slice(max(factor // 2 - 1, 0), factor // 2 + 1)
            small[:, row, col] = block[:, middle, middle].mean(axis=(1, 2))
    return weight.reshape(DIM, -1) @ small.ravel() + bias


def quadtree():
    out = {}
    images = pictures(SIDE, SIDE)
    scorers = {
        "blur": blur_scores,
        "entropy": lambda image, side: entropy_scores(image, side, 512),
        "variance": variance_scores,
    }
    all_scores = {}
    for name, scorer in scorers.items():
        levels = [[scorer(image, PATCH * 2**level) for image in images] for level in (1, 2)]
        all_scores[name] = levels
        for level, values in zip((1, 2), levels):
            out[f"{name}_{PATCH * 2**level}px"] = np.stack(values)

    weight, bias = det((DIM, 3, PATCH, PATCH), 1), det((DIM,), 2)
    weight, bias = weight.astype(np.float64), bias.astype(np.float64)
    boxes, tokens = [], []
    for index, image in enumerate(images):
        scores = {level: all_scores["blur"][level - 1][index] for level in (1, 2)}
        leaves = search(SIDE, SIDE, LEVELS, scores, SPLITS)
        boxes.append([node.box() for node in leaves])
        tokens.append([embedded(image, node, weight, bias) for node in leaves])
    out["splits_boxes"], out["splits_tokens"] = np.array(boxes), np.array(tokens)

    rim = pictures(*RIM)
    boxes = []
    for image in rim:
        scores = {level: variance_scores(image, PATCH * 2**level) for level in (1, 2)}
        boxes.append([node.box() for node in search(*RIM, LEVELS, scores, 4)])
    out["rim_boxes"] = np.array(boxes)

    ragged = np.zeros((BATCH, (SIDE // PATCH) ** 2, 4))
    for index, image in enumerate(images):
        scores = {level: all_scores["entropy"][level - 1][index] for level in (1, 2)}
        leaves = threshold(SIDE, SIDE, LEVELS, scores, [5.58, 6.7])
        ragged[index, : len(leaves)] = [node.box() for node in leaves]
    out["threshold_boxes"] = ragged
    return out


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def routing():
    """Regions of 8 px, patches of 4, (8, 4) and 8 px, a hidden layer of 5."""
    images = 60 * det((BATCH, 3, 16, 24), 7).astype(np.float64)
    # In the order of the module's parameters: fc1 and fc2, Burn's [input, output], then the heads.
    fc1, b1 = det((6, 5), 1).astype(np.float64), det((5,), 2).astype(np.float64)
    fc2, b2 = det((5, 3), 3).astype(np.float64), det((3,), 4).astype(np.float64)
    noise = det((BATCH, 3, 6), 12).swapaxes(1, 2).astype(np.float64) + 0.5
    temperature = 0.7

    logits = np.zeros((BATCH, 6, 3))
    for image in range(BATCH):
        for region, (_, _, part) in enumerate(blocks(images[image], 8)):
            mean = part.mean(axis=(1, 2))
            deviation = np.sqrt(part.var(axis=(1, 2)) + 1e-6)
            logits[image, region] = gelu(np.concatenate([mean, deviation]) @ fc1 + b1) @ fc2 + b2
    gumbel = -np.log(-np.log(np.clip(noise, 1e-12, 1 - 1e-7)))
    soft = softmax((logits + gumbel) / temperature)
    choice = np.eye(3)[soft.argmax(axis=-1)]
    probability = softmax(logits)
    patches = np.array([4, 2, 1])
    expected = (probability * patches).sum(axis=(1, 2))
    return {
        "routing_probabilities": probability,
        "routing_choice": choice,
        "routing_log_prob": np.log((probability * choice).sum(axis=-1)).sum(axis=-1),
        "routing_entropy": -(probability * np.log(probability)).sum(axis=(1, 2)),
        "routing_expected_tokens": expected,
        "routing_budget_loss": np.array([(expected.mean() / 24 - 0.5) ** 2]),
    }


def compute():
    torch.set_num_threads(1)
    out = {**quadtree(), **routing()}
    return {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in out.items()}


if __name__ == "__main__":
    main("adaptive", compute)
