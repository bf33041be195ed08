"""Reference values for merging, pruning, dropout and block masks.

    python make_merge.py           write merge.safetensors beside this script
    python make_merge.py --check   recompute, compare with that file, write nothing

Everything runs on the CPU in f32. Nothing is random and nothing is downloaded: inputs and weights
are det(shape, seed), noise is a linear congruential sequence. None of the references installs
beside this script, so each is written out here from its published formulas: ToMe, EViT,
DynamicViT, PatchDropout and BEiT's generator of block masks, whose draws are taken from the noise
as burn-patch's documentation of BlockMask says. Indices and decisions are kept as f32.

Verified with Python 3.11 and
    torch==2.9.0  safetensors==0.8.0  numpy==2.4.6
"""

import itertools
import math

import numpy as np
import torch
from torch.nn import functional as F

from reference import det, main

DIM = 16


def noise(count, seed=1):
    """x <- (1664525 x + 1013904223) mod 2^32 from the seed; the upper 24 bits over 2^24."""
    values = []
    for _ in range(count):
        seed = (1664525 * seed + 1013904223) % 2**32
        values.append((seed >> 8) / 2**24)
    return torch.tensor(values, dtype=torch.float32)


def parameters():
    """det(shape, 1), det(shape, 2), ... one after another."""
    seeds = itertools.count(1)
    return lambda *shape: det(shape, next(seeds))


# --- ToMe


def assignment(keys, r, protected):
    """[batch, out, in], 1 where a token comes from one: the unmerged even tokens, then the odd ones."""
    batch, count, _ = keys.shape
    r = min(r, (count - protected) // 2)
    unit = keys / keys.norm(dim=-1, keepdim=True)
    rows = []
    for image in unit:
        even, odd = range(0, count, 2), range(1, count, 2)
        edges = []
        for a in even:
            # A protected token neither merges nor is merged into.
            cosines = [-math.inf if b < protected else float(image[a] @ image[b]) for b in odd]
            best = max(range(len(cosines)), key=lambda index: cosines[index])
            edges.append((-math.inf if a < protected else cosines[best], a, odd[best]))
        merged = sorted(edges, key=lambda edge: (-edge[0], edge[1]))[:r]
        target = {a: b for _, a, b in merged}
        out = [a for a in even if a not in target] + list(odd)
        matrix = torch.zeros(len(out), count)
        for index in range(count):
            matrix[out.index(target.get(index, index)), index] = 1
        if protected == 2:  # class and distillation token first, as the reference has it
            second = out.index(1)
            order = [0, second] + [index for index in range(1, len(out)) if index != second]
            matrix = matrix[order]
        rows.append(matrix)
    return torch.stack(rows)


def merge(matrix, x, sizes):
    total = matrix @ sizes
    return matrix @ (x * sizes) / total, total


def tome():
    out = {}
    x, ones = det((2, 17, 4), 14).requires_grad_(), torch.ones(2, 17, 1)
    once = assignment(det((2, 17, 8), 13), 4, 1)
    merged, sizes = merge(once, x, ones)
    out["tome_merge_wavg_r4"], out["tome_size_r4"] = merged, sizes
    (merged * det(merged.shape, 17)).sum().backward()
    out["tome_grad"] = x.grad

    # A second layer, which weighs by the sizes of the first and merges as many as it can.
    twice = assignment(det((2, 13, 8), 15), 9, 1)
    out["tome_twice"], out["tome_twice_sizes"] = merge(twice, merged, sizes)
    source = twice @ once
    out["tome_twice_owner"] = source.argmax(1)[:, 1:] - 1
    out["tome_unmerged"] = source.transpose(1, 2) @ out["tome_twice"]

    distilled = assignment(det((2, 18, 8), 16), 5, 2)
    x = det((2, 18, 4), 14)
    out["tome_distilled"], _ = merge(distilled, x, torch.ones(2, 18, 1))
    return out


# --- EViT


def evit():
    x = det((2, 11, DIM), 21).requires_grad_()
    scores = (det((2, 11), 22) * 4).softmax(-1)[:, 1:].clone().requires_grad_()
    kept = math.ceil(0.7 * 10)
    index = scores.topk(kept, dim=1).indices.sort(dim=1).values
    others = torch.ones(2, 10).scatter(1, index, 0.0)
    patches = x[:, 1:]
    fused = (patches * (scores * others)[..., None]).sum(1, keepdim=True)
    taken = patches.gather(1, index[..., None].expand(-1, -1, DIM))
    tokens = torch.cat([x[:, :1], taken, fused], 1)
    (tokens * det(tokens.shape, 23)).sum().backward()
    return {"evit": tokens, "evit_grad": x.grad, "evit_grad_scores": scores.grad}


# --- DynamicViT


def predictor(x, policy, take):
    x = F.layer_norm(x, (DIM,), take(DIM), take(DIM), 1e-5)
    x = F.gelu(x @ take(DIM, DIM) + take(DIM))
    local, rest = x[..., : DIM // 2], x[..., DIM // 2 :]
    mean = (rest * policy).sum(1, keepdim=True) / policy.sum(1, keepdim=True)
    x = torch.cat([local, mean.expand_as(local)], -1)
    for width in (DIM, DIM // 2):
        x = F.gelu(x @ take(width, width // 2) + take(width // 2))
    return F.log_softmax(x @ take(DIM // 4, 2) + take(2), -1)


def dynamic_vit():
    # det repeats itself over rows of 16, up to what a norm removes: no tokens to choose among.
    x, ones = noise(2 * 9 * DIM, 31).reshape(2, 9, DIM).requires_grad_(), torch.ones(2, 9, 1)
    logits = predictor(x, ones, parameters())
    index = logits[..., 0].topk(int(0.7 * 9), dim=1).indices.sort(dim=1).values
    out = {
        "dynamic_vit_logits": logits,
        "dynamic_vit_kept": x.gather(1, index[..., None].expand(-1, -1, DIM)),
    }
    policy, draws = ones, noise(2 * 2 * 9 * 2).reshape(2, 2, 9, 2)
    for stage, draw in enumerate(draws):
        logits = predictor(x, policy, parameters())
        soft = (logits - (-draw.log()).log()).softmax(-1)
        hard = F.one_hot(soft.argmax(-1), 2)
        decision = hard + soft - soft.detach()
        policy = decision[..., :1] * policy
        out[f"dynamic_vit_decisions_{stage}"] = policy[..., 0]
    (policy * det((2, 9, 1), 32)).sum().backward()
    out["dynamic_vit_grad"] = x.grad
    return out


def policy_attention():
    take, heads = parameters(), 4
    x = det((2, 7, DIM), 41)
    policy = torch.tensor([[1, 1, 0, 1, 0, 0, 1], [1, 0, 0, 1, 1, 1, 0.0]]).requires_grad_()
    qkv = (x @ take(DIM, 3 * DIM) + take(3 * DIM)).reshape(2, 7, 3, heads, DIM // heads)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    scores = q @ k.transpose(-2, -1) * (DIM // heads) ** -0.5
    seen = policy[:, None, None, :]
    seen = seen + (1 - seen) * torch.eye(7)
    weights = (scores - scores.amax(-1, keepdim=True)).exp() * seen
    weights = (weights + 1e-6 / 7) / (weights.sum(-1, keepdim=True) + 1e-6)
    context = (weights @ v).transpose(1, 2).reshape(2, 7, DIM) @ take(DIM, DIM) + take(DIM)
    (context * det(context.shape, 42)).sum().backward()
    return {"policy_attention": context, "policy_attention_grad": policy.grad}


# --- PatchDropout and BEiT's blocks


def patch_dropout():
    order = noise(2 * 21, 5).reshape(2, 21).argsort(dim=1)
    kept = order[:, : max(1, int(21 * (1 - 0.6)))]
    return {"patch_dropout": kept, "patch_dropout_ordered": kept.sort(dim=1).values}


def block_mask(rows, cols, goal, least, draws):
    """BEiT's MaskingGenerator, then single patches until `goal` are masked."""
    mask, count, failures = np.zeros((rows, cols), dtype=bool), 0, 0
    tries, rest = draws[: 4 * rows * cols].reshape(-1, 4), draws[4 * rows * cols :]
    for area, aspect, top, left in tries:
        room = goal - count
        if room == 0 or failures == 10:
            break
        area = least + (room - least) * area
        low, high = math.log(0.3), math.log(1 / 0.3)
        aspect = math.exp(low + (high - low) * aspect)
        height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        failures += 1
        if height < rows and width < cols:
            top, left = int(top * (rows - height + 1)), int(left * (cols - width + 1))
            block = mask[top : top + height, left : left + width]
            new = int((~block).sum())
            if 0 < new <= room:
                block[:] = True
                count, failures = count + new, 0
    flat = mask.reshape(-1)
    open_cells = np.flatnonzero(~flat)
    flat[open_cells[np.argsort(rest[open_cells], kind="stable")][: goal - count]] = True
    return flat, goal - count


def block_masks():
    out, filled = {}, []
    for name, rows, cols, goal, least in (
        ("block_masks", 14, 14, 75, 16),
        ("block_masks_small", 4, 6, 20, 4),
    ):
        draws = noise(6 * 5 * rows * cols, 9).double().numpy().reshape(6, -1)
        masks = [block_mask(rows, cols, goal, least, image) for image in draws]
        out[name] = np.stack([mask for mask, _ in masks]).astype(np.float32)
        filled += [rest for _, rest in masks]
    assert any(rest == 0 for rest in filled) and any(rest > 0 for rest in filled)
    return out


def compute():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    out = {
        **tome(),
        **evit(),
        **dynamic_vit(),
        **policy_attention(),
        **patch_dropout(),
        **block_masks(),
    }
    return {
        name: value.detach().numpy() if isinstance(value, torch.Tensor) else value
        for name, value in out.items()
    }


if __name__ == "__main__":
    main("merge", compute)
