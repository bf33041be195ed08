"""Reference values for tubelets, signals, deformable patches and several resolutions.

    python make_motion.py           write motion.safetensors beside this script
    python make_motion.py --check   recompute, compare with that file, write nothing

Everything runs on the CPU in f32. Nothing is random and nothing is downloaded:
each input is det(shape, seed), and each module's k-th parameter is det(shape, 1 + k); deformable_4x2 counts
from 19 instead, with which few boxes are empty.

Tubelets are PyTorch's Conv3d, which is all that transformers' VivitTubeletEmbeddings and Qwen2-VL's PatchEmbed
compute: vivit_tubelet and qwen2vl_tubelet are also what those classes of transformers 5.23.0 give for the same
inputs and weights. CASIA-IVA-Lab/DPT needs a CUDA kernel, so its patch embedding is written out here after its
formulas, with torch.nn.functional.grid_sample in the kernel's place. No library has the multi-resolution
tokens; they are written out with torch's convolution, average pooling and bilinear resizing.

Verified with Python 3.11 and
    torch==2.9.0  safetensors==0.8.0  numpy==2.4.6

The file holds f32 tensors only.
"""

import math

import torch
import torch.nn.functional as F

from reference import det, main


def parameters(*shapes, seed=1):
    """The k-th parameter is det(shape, seed + k)."""
    return [det(shape, seed + k) for k, shape in enumerate(shapes)]


def to_tokens(features):
    """[batch, dim, ...] -> [batch, tokens, dim]."""
    return features.flatten(2).transpose(1, 2)


def tubelets():
    # ViViT: a clip of 4 frames of 16x16, [batch, frames, channels, height, width].
    weight, bias = parameters((16, 3, 2, 8, 8), (16,))
    clip = det((1, 4, 3, 16, 16)).transpose(1, 2)
    out = {"vivit_tubelet": to_tokens(F.conv3d(clip, weight, bias, stride=(2, 8, 8)))}

    # Qwen2-VL: 10 rows, each one flattened tubelet [channels, frames, height, width]; no bias.
    (weight,) = parameters((16, 3, 2, 4, 4))
    rows = det((10, 96))
    out["qwen2vl_tubelet"] = F.conv3d(rows.view(10, 3, 2, 4, 4), weight, stride=(2, 4, 4)).view(10, 16)

    # The same over a clip of 4 frames of 16x24, its rows as Qwen2-VL's image processor cuts them:
    # time, then blocks of 2x2 patches, then the patches of a block.
    t, h, w, block = 2, 4, 6, 2
    clip = det((4, 3, 16, 24))
    rows = clip.reshape(t, 2, 3, h // block, block, 4, w // block, block, 4)
    rows = rows.permute(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(t * h * w, 96)
    rows = rows.view(-1, 3, 2, 4, 4)
    out["qwen2vl_blocks"] = F.conv3d(rows, weight, stride=(2, 4, 4)).view(1, -1, 16)
    return out


def signals():
    weight, bias = parameters((16, 2, 5), (16,))
    return {"signal_k5s3": to_tokens(F.conv1d(det((2, 2, 20)), weight, bias, stride=3))}


def deformable(name, shape, patch, dim, seed, points=3):
    """DPT's Simple_DePatch with pointwhCoder and zero padding, for maps that need not be square."""
    batch, channels, height, width = shape
    ph, pw = patch
    rows, cols = height // ph, width // pw
    # Linear weights are [input, output] here, as in Burn.
    weight, bias, gamma, beta, predict, wh_bias, out_weight, out_bias, out_gamma, out_beta = parameters(
        (dim, channels, ph, pw), (dim,), (dim,), (dim,), (dim, 4), (2,),
        (channels * points * points, dim), (dim,), (dim,), (dim,), seed=seed,
    )
    image = det(shape)
    features = to_tokens(F.conv2d(image, weight, bias, stride=patch))
    features = F.gelu(F.layer_norm(features, (dim,), gamma, beta, 1e-5))
    codes = features @ predict
    codes = torch.cat([codes[..., :2], codes[..., 2:] + wh_bias], dim=-1)

    # Boxes as parts of the image, x before y.
    y, x = torch.meshgrid((torch.arange(rows) + 0.5) / rows, (torch.arange(cols) + 0.5) / cols, indexing="ij")
    anchors = torch.stack([x.flatten(), y.flatten()], dim=-1)
    pixel = torch.tensor([1.0 / cols, 1.0 / rows])
    middle = anchors + torch.tanh(codes[..., :2]) * pixel
    half = torch.relu(torch.tanh(codes[..., 2:])) * pixel
    first, last = (middle - half).clamp(0.0, 1.0), (middle + half).clamp(0.0, 1.0)

    # k points per axis from end to end; x is the slow axis.
    ends = torch.stack([first, last], dim=-1).reshape(-1, 2, 2)
    along = F.interpolate(ends, size=points, mode="linear", align_corners=True)
    along = along.reshape(batch, rows * cols, 2, points)
    xs = along[:, :, 0, :, None].expand(-1, -1, points, points)
    ys = along[:, :, 1, None, :].expand(-1, -1, points, points)
    places = torch.stack([xs, ys], dim=-1).reshape(batch, -1, 1, 2)
    values = F.grid_sample(
        image, places * 2.0 - 1.0, mode="bilinear", padding_mode="zeros", align_corners=False
    )
    values = values.squeeze(-1).transpose(1, 2).reshape(batch, rows * cols, points * points * channels)
    tokens = F.layer_norm(values @ out_weight + out_bias, (dim,), out_gamma, out_beta, 1e-5)

    size = torch.tensor([width, height])
    boxes = torch.cat([(first + last) / 2.0 * size, (last - first) * size], dim=-1)[..., [1, 0, 3, 2]]
    return {name: tokens, f"{name}_boxes": boxes}


def multires():
    """Patches of 4x2; levels at half and quarter size, two crops; rows of the scale table: octaves -2 to 2."""
    patch, dim, size = (4, 2), 8, (16, 24)
    weight, bias, scale = parameters((dim, 3, *patch), (dim,), (5, dim))
    image = det((2, 3, *size))

    def embed(part, octave):
        octave = min(max(octave + 2.0, 0.0), 4.0)
        low = int(octave)
        row = scale[low] * (1.0 - (octave - low)) + scale[min(low + 1, 4)] * (octave - low)
        right, bottom = -part.shape[3] % patch[1], -part.shape[2] % patch[0]
        return to_tokens(F.conv2d(F.pad(part, (0, right, 0, bottom)), weight, bias, stride=patch)) + row

    levels = [embed(image, 0.0)]
    levels += [embed(F.avg_pool2d(image, 2**level), float(level)) for level in (1, 2)]
    out = {"multires_levels": torch.cat(levels, dim=1)}

    # Crops [y, x, height, width], resized to 8x6.
    crops = []
    for y, x, h, w in ((3, 5, 4, 9), (0, 0, 16, 24)):
        crop = image[:, :, y : y + h, x : x + w]
        crop = F.interpolate(crop, size=(8, 6), mode="bilinear", align_corners=False, antialias=False)
        crops.append(embed(crop, 0.5 * math.log2(h * w / 48)))
    out["multires_crops"] = torch.cat(crops, dim=1)
    return out


@torch.no_grad()
def compute():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    out = {
        **tubelets(),
        **signals(),
        **deformable("deformable_2x2", (2, 4, 6, 10), (2, 2), 8, seed=1),
        **deformable("deformable_4x2", (2, 3, 8, 12), (4, 2), 16, seed=19),
        **multires(),
    }
    return {name: tensor.detach().float().contiguous() for name, tensor in out.items()}


if __name__ == "__main__":
    main("motion", compute)
