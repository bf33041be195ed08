"""Reference values for cosine, wavelet and Fourier embeddings and GFNet's global filter.

    python make_spectral.py           write spectral.safetensors beside this script
    python make_spectral.py --check   recompute, compare with that file, write nothing

Transforms are computed in f64 from inputs in f32. Nothing is random and nothing is downloaded: each input is
det(shape, seed), and the k-th parameter of a module is det(shape, 1 + k), in the layout of burn: a linear layer's
weight is [inputs, outputs].

The transforms are scipy.fft.dctn, pywt.wavedec2, numpy.fft.rfft2 and torch.fft. Around them this script is the
reference: RGB-no-more and GFNet are no packages, so the colour conversion, the sub-block conversion and the
global filter are written out from their definitions.

Verified with Python 3.11 and
    numpy==2.4.6  scipy==1.17.1  PyWavelets==1.8.0  torch==2.9.0  safetensors==0.8.0
"""

import numpy as np
import pywt
import torch
from scipy.fft import dctn

from reference import formula, main


def det(shape, seed=0):
    """The formula's values, in f64."""
    return formula(shape, seed).astype(np.float64)


def patches(images, patch):
    """[batch, channels, height, width] to [batch, tokens, channels, ph, pw]."""
    batch, channels, height, width = images.shape
    ph, pw = patch
    cut = images.reshape(batch, channels, height // ph, ph, width // pw, pw)
    cut = cut.transpose(0, 2, 4, 1, 3, 5)
    return cut.reshape(batch, -1, channels, ph, pw)


def embed(features, dim, seed=1):
    """A linear layer whose weight and bias are parameters 0 and 1 of the module."""
    return features @ det((features.shape[-1], dim), seed) + det((dim,), seed + 1)


def zigzag(block):
    """Flat places of a block's coefficients, by walking the anti-diagonals in turns."""
    height, width = block
    places = [(v, u) for v in range(height) for u in range(width)]
    places.sort(key=lambda at: (at[0] + at[1], at[0] if (at[0] + at[1]) % 2 else -at[0]))
    return [v * width + u for v, u in places]


def dct_blocks(plane, block, keep):
    """Kept coefficients of the blocks of [..., height, width], row by row: [..., blocks*keep]."""
    *lead, height, width = plane.shape
    bh, bw = block
    cut = plane.reshape(*lead, height // bh, bh, width // bw, bw).swapaxes(-3, -2)
    spectrum = dctn(cut, axes=(-2, -1), norm="ortho").reshape(*lead, -1, bh * bw)
    return spectrum[..., zigzag(block)[:keep]].reshape(*lead, -1)


def dct():
    out = {}
    images = det((2, 3, 8, 12), 7)
    whole = dct_blocks(patches(images, (4, 6)), (4, 6), 24).reshape(2, 4, -1)
    out["dct_features_4x6"] = whole
    out["dct_embed_4x6"] = embed(whole, 8)

    half = dct_blocks(patches(images, (8, 4)), (8, 4), 10).reshape(2, 3, -1)
    out["dct_embed_8x4_first10"] = embed(half, 8)
    mean, std = det((30,), 21), det((30,), 22) + 1.0
    out["dct_embed_8x4_normalised"] = embed((half - mean) / std, 8)

    # JFIF's colours without the offset; 4:2:0 is the mean of 2x2 pixels.
    images = det((1, 3, 32, 16), 7)
    r, g, b = images[:, 0], images[:, 1], images[:, 2]
    y = 0.299 * r + 0.587 * g + 0.114 * b
    cb, cr = (b - y) / 1.772, (r - y) / 1.402
    chroma = np.stack([cb, cr], 1).reshape(1, 2, 16, 2, 8, 2).mean(axis=(3, 5))
    luma, chroma = patches(y[:, None], (16, 16)), patches(chroma, (8, 8))
    small = dct_blocks(luma, (8, 8), 64).reshape(1, 2, -1)
    colour = dct_blocks(chroma, (8, 8), 64).reshape(1, 2, -1)
    out["dct_jpeg_features"] = np.concatenate([small, colour], -1)

    # Sub-block conversion as the reference does it: four 8x8 blocks to one of 16x16, by D16 blockdiag(D8)^T.
    d8 = dctn(np.eye(8), axes=0, norm="ortho")
    d16 = dctn(np.eye(16), axes=0, norm="ortho")
    convert = d16 @ np.kron(np.eye(2), d8).T
    cut = luma.reshape(1, 2, 2, 8, 2, 8).swapaxes(3, 4)
    mosaic = dctn(cut, axes=(-2, -1), norm="ortho").swapaxes(3, 4).reshape(1, 2, 16, 16)
    merged = (convert @ mosaic @ convert.T).reshape(1, 2, -1)[..., zigzag((16, 16))]
    out["dct_jpeg_merged_features"] = np.concatenate([merged, colour], -1)
    return out


def flat(coefficients):
    """wavedec2's list as one row: cA, then cH, cV, cD of each level."""
    first, *details = coefficients
    parts = [first] + [part for level in details for part in level]
    return np.concatenate([part.reshape(-1) for part in parts])


def over_cells(coefficients, rows, cols):
    """The same, of an image, gathered per cell of a rows x cols grid: [rows*cols, values]."""
    first, *details = coefficients
    parts = [first] + [part for level in details for part in level]
    cells = [patches(part[None, None], (part.shape[0] // rows, part.shape[1] // cols)) for part in parts]
    return np.concatenate([cell.reshape(rows * cols, -1) for cell in cells], -1)


def wavelet():
    out = {}
    images = det((2, 3, 16, 24), 7)
    cases = [
        ("haar_8x4_2", "haar", (8, 4), 2),
        ("db2_8x8_3", "db2", (8, 8), 3),
        ("db4_16x8_2", "db4", (16, 8), 2),
    ]
    for name, filters, patch, levels in cases:
        cut = patches(images, patch)
        features = np.stack([
            np.stack([
                np.concatenate([
                    flat(pywt.wavedec2(plane, filters, "periodization", levels)) for plane in token
                ])
                for token in image
            ])
            for image in cut
        ])
        out[f"wavelet_features_{name}"] = features
        out[f"wavelet_embed_{name}"] = embed(features, 8)
    for name, filters in (("db2", "db2"), ("db4", "db4")):
        features = np.stack([
            np.concatenate(
                [over_cells(pywt.wavedec2(plane, filters, "periodization", 2), 2, 6) for plane in image], -1
            )
            for image in images
        ])
        out[f"wavelet_image_features_{name}"] = features
        out[f"wavelet_image_embed_{name}"] = embed(features, 8)
    return out


def fourier():
    out = {}
    images = det((2, 3, 12, 10), 7)
    for name, patch in (("4x2", (4, 2)), ("6x5", (6, 5))):
        spectrum = np.fft.rfft2(patches(images, patch), norm="ortho")
        batch, tokens, channels, _, _ = spectrum.shape
        rows = spectrum.reshape(batch, tokens, channels, -1)
        parts = np.concatenate([rows.real, rows.imag], -1).reshape(batch, tokens, -1)
        out[f"fourier_features_{name}"] = parts
        out[f"fourier_embed_{name}"] = embed(parts, 8)

        amplitude = np.sqrt(np.abs(rows) ** 2 + 1e-4)
        for kind, size in (("amplitude", amplitude), ("log_amplitude", np.log(amplitude))):
            polar = np.concatenate([size, rows.real / amplitude, rows.imag / amplitude], -1)
            out[f"fourier_{kind}_{name}"] = embed(polar.reshape(batch, tokens, -1), 8)

        # Bands by distance from the constant, in cycles per pixel.
        radius = np.hypot(np.fft.fftfreq(patch[0])[:, None], np.fft.rfftfreq(patch[1])[None, :]).reshape(-1)
        bands = []
        for band in (radius <= 0.3, radius > 0.3):
            part = rows[..., band]
            part = np.concatenate([part.real, part.imag], -1).reshape(batch, tokens, -1)
            bands.append(embed(part, 8, 1 + 2 * len(bands)))
        share = 1 / (1 + np.exp(-det((8,), 5)))
        out[f"fourier_bands_{name}"] = share * bands[0] + (1 - share) * bands[1]
    return out


def global_filter():
    """GFNet: rfft2 over the grid, times complex weights, irfft2, all orthonormal."""
    out = {}
    for rows, cols in ((4, 6), (3, 5)):
        x = torch.from_numpy(det((2, rows, cols, 8), 7))
        weight = torch.view_as_complex(torch.from_numpy(det((rows, cols // 2 + 1, 8, 2), 1)))
        spectrum = torch.fft.rfft2(x, dim=(1, 2), norm="ortho") * weight
        filtered = torch.fft.irfft2(spectrum, s=(rows, cols), dim=(1, 2), norm="ortho")
        out[f"gfnet_{rows}x{cols}"] = filtered.reshape(2, rows * cols, 8).numpy()
    return out


def compute():
    out = {**dct(), **wavelet(), **fourier(), **global_filter()}
    return {name: np.ascontiguousarray(values, dtype=np.float32) for name, values in out.items()}


if __name__ == "__main__":
    main("spectral", compute)
