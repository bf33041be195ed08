"""Reference values for learned tokens.

    python make_reduce.py           write reduce.safetensors beside this script
    python make_reduce.py --check   recompute, compare with that file, write nothing

Everything runs on the CPU in f32. Nothing is random and nothing is downloaded: inputs and
weights are det(shape, seed).

patch_merger_8 comes from vit-pytorch. The others have no reference that installs beside it
(scenic and google-research are JAX and TensorFlow research trees), so they are written out here
from the published formulas with PyTorch's own LayerNorm, Conv2d, softmax and GRUCell; GELU is the
exact one. Linear weights are det([input, output]), applied as x @ weight.

Verified with Python 3.11 and
    torch==2.9.0  vit-pytorch==1.26.11  safetensors==0.8.0  numpy==2.4.6
"""

import itertools

import torch
from torch import nn
from torch.nn import functional as F
from vit_pytorch.vit_with_patch_merger import PatchMerger

from reference import det, main

ROWS, COLS, DIM, TOKENS, HIDDEN = 4, 6, 16, 8, 64


def parameters():
    """det(shape, 1), det(shape, 2), ... one after another."""
    seeds = itertools.count(1)
    return lambda *shape: det(shape, next(seeds))


def norm(x, take, eps):
    return F.layer_norm(x, x.shape[-1:], take(x.shape[-1]), take(x.shape[-1]), eps)


def places():
    return det((2, ROWS * COLS, DIM))


def patch_merger():
    """vit-pytorch: parameters() are the queries, then the norm's weight and bias."""
    merger = PatchMerger(DIM, TOKENS)
    for k, parameter in enumerate(merger.parameters()):
        parameter.copy_(det(tuple(parameter.shape), 1 + k))
    return {"patch_merger_8": merger.eval()(places())}


def query_pool():
    """The softmax over places of q.x, the sum, a projection; and the same scaled by 1/sqrt(dim)."""
    out = {}
    for name, scale in (("query_pool", 1.0), ("query_pool_scaled", DIM**-0.5)):
        take = parameters()
        x, q = places(), take(TOKENS, DIM)
        alpha = torch.einsum("kd,bnd->bkn", q, x).mul(scale).exp()
        alpha = alpha / alpha.sum(-1, keepdim=True)
        out[name] = torch.einsum("bkn,bnd->bkd", alpha, x) @ take(DIM, 24) + take(24)
    return out


def mlp(x, take, width):
    x = F.gelu(x @ take(x.shape[-1], HIDDEN) + take(HIDDEN))
    return x @ take(HIDDEN, width) + take(width)


def token_learner():
    x = places()
    take = parameters()
    # The second layer's bias is the reference's; the softmax over places cancels it.
    weights = mlp(norm(x, take, 1e-6), take, TOKENS).softmax(dim=1)
    version_11 = torch.einsum("bns,bnd->bsd", weights, x)

    take = parameters()
    maps = norm(x, take, 1e-6).reshape(2, ROWS, COLS, DIM).permute(0, 3, 1, 2)
    for layer in range(4):
        maps = F.conv2d(maps, take(TOKENS, maps.shape[1], 3, 3), padding=1)
        maps = F.gelu(maps) if layer < 3 else torch.sigmoid(maps)
    version_1 = (maps.flatten(2)[..., None] * x[:, None]).sum(2)

    # The reference's transposes around a Dense: the tokens are mixed, channel by channel. The
    # bias is the reference's; the norm after it cancels it.
    take = parameters()
    learned = norm(det((2, TOKENS, DIM), 21), take, 1e-6)
    weight, bias = take(TOKENS, TOKENS), det((TOKENS,), 42)
    mixed = torch.einsum("bsd,st->btd", learned, weight) + bias[:, None]
    mixed = norm(mixed, take, 1e-6)
    share = torch.sigmoid(mlp(norm(x, take, 1e-6), take, TOKENS))
    fused = torch.einsum("bns,bsd->bnd", share, mixed)
    return {"token_learner_v11": version_11, "token_learner_v1": version_1, "token_fuser": fused}


def slot_attention(gaussian):
    take, slots = parameters(), 5
    x = places()
    if gaussian:
        mu, log_sigma = take(1, 1, DIM), take(1, 1, DIM)
        state = mu + log_sigma.exp() * det((2, slots, DIM), 31)
    else:
        state = take(1, slots, DIM).expand(2, -1, -1)
    to_q, to_k, to_v = take(DIM, DIM), take(DIM, DIM), take(DIM, DIM)
    gru = nn.GRUCell(DIM, DIM)
    gru.weight_ih.copy_(take(DIM, 3 * DIM).T)
    gru.bias_ih.copy_(take(3 * DIM))
    gru.weight_hh.copy_(take(DIM, 3 * DIM).T)
    gru.bias_hh.copy_(take(3 * DIM))
    w1, b1, w2, b2 = take(DIM, 2 * DIM), take(2 * DIM), take(2 * DIM, DIM), take(DIM)
    # The slots' norm has the reference's bias; the softmax over slots cancels it.
    norms = [(take(DIM), take(DIM)), (take(DIM), det((DIM,), 41)), (take(DIM), take(DIM))]
    normed = lambda x, which: F.layer_norm(x, (DIM,), *norms[which], 1e-3)

    x = normed(x, 0)
    k, v = x @ to_k, x @ to_v
    for _ in range(3):
        q = normed(state, 1) @ to_q
        logits = torch.einsum("bnd,bsd->bns", k, q) * DIM**-0.5
        attention = logits.softmax(dim=-1) + 1e-8
        attention = attention / attention.sum(dim=1, keepdim=True)
        updates = torch.einsum("bns,bnd->bsd", attention, v)
        state = gru(updates.reshape(-1, DIM), state.reshape(-1, DIM)).reshape(2, slots, DIM)
        state = state + F.relu(normed(state, 2) @ w1 + b1) @ w2 + b2
    name = "gaussian" if gaussian else "learned"
    return {
        f"slot_attention_{name}": state,
        f"slot_attention_{name}_weights": attention.transpose(1, 2),
    }


@torch.no_grad()
def compute():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    out = {
        **patch_merger(),
        **query_pool(),
        **token_learner(),
        **slot_attention(False),
        **slot_attention(True),
    }
    return {name: tensor.detach().float().contiguous() for name, tensor in out.items()}


if __name__ == "__main__":
    main("reduce", compute)
