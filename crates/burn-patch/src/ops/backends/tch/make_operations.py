#!/usr/bin/env python3
"""Writes operations.pt: the operations of LibTorch that its Rust bindings (tch 0.22) lack, as a TorchScript.

Run it beside this file with PyTorch; 2.9 and 2.11 make files that either reads.
"""

import io
import pathlib
import zipfile
from typing import List, Optional, Tuple

import torch
from torch import Tensor


class Operations(torch.nn.Module):
    @torch.jit.export
    def gradients(self, output: Tensor, grad: Tensor, inputs: List[Tensor]) -> List[Tensor]:
        grads: List[Optional[Tensor]] = [grad]
        found: List[Tensor] = []
        for each in torch.autograd.grad([output], inputs, grads):
            assert each is not None
            found.append(each)
        return found

    @torch.jit.export
    def layer_norm_grads(
        self, grad: Tensor, x: Tensor, mean: Tensor, inverse_deviation: Tensor, gamma: Tensor
    ) -> Tuple[Tensor, Tensor, Tensor]:
        # The shift serves for its shape alone, which is that of the scale.
        return torch.ops.aten.native_layer_norm_backward(
            grad, x, [x.size(1)], mean, inverse_deviation, gamma, gamma, [True, True, True])

    @torch.jit.export
    def adamw(
        self, parameters: List[Tensor], grads: List[Tensor], moments_1: List[Tensor], moments_2: List[Tensor],
        steps: List[Tensor], rate: float, beta_1: float, beta_2: float, decay: float, epsilon: float
    ) -> None:
        # TorchScript drops what changes the tensors of a list that was made here: so lists come in.
        torch._fused_adamw_(
            parameters, grads, moments_1, moments_2, [], steps, lr=rate, beta1=beta_1, beta2=beta_2,
            weight_decay=decay, eps=epsilon, amsgrad=False, maximize=False)


def write(path):
    """Without the debugging files, which name the folder that this was run in."""
    saved = io.BytesIO()
    torch.jit.save(torch.jit.script(Operations()), saved)
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                name = "/".join(["operations", *entry.filename.split("/")[1:]])
                target.writestr(zipfile.ZipInfo(name), source.read(entry))


write(pathlib.Path(__file__).with_name("operations.pt"))
