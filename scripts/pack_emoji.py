#!/usr/bin/env python3
"""Pack the Noto emoji of `emoji-datasource-google` into one small atlas.

The result is a colour data set small enough to commit: data/emoji/emoji32.png
and data/emoji/labels.json. Both are already in the repository; run this script
only to make them again.

Usage (needs python3 with numpy and Pillow):

    npm pack emoji-datasource-google@16.0.0
    tar xzf emoji-datasource-google-16.0.0.tgz       # makes a folder `package`
    python3 scripts/pack_emoji.py package            # writes data/emoji/
    python3 scripts/pack_emoji.py package --out DIR  # writes DIR/
    python3 scripts/pack_emoji.py package --exact    # keeps every level (2.2 MB)

What it writes:

emoji32.png   RGB, 48 cells of 32x32 pixels per row, no borders, row-major. Each
              cell is one base emoji (skin tone variants are left out),
              composited over white. The cells left over in the last row are
              white. Cells are in Unicode CLDR order (`sort_order`). To save a
              third of the size, each channel is rounded to a multiple of 5
              (0, 5, ..., 255), so a value is off by 2 of 255 at most;
              --exact skips that.
labels.json   {"cell": 32, "columns": 48, "count": N, "categories": [names],
              "labels": [index into categories, one per cell]}

The same package always gives the same pixels and labels.
"""

import argparse
import json
import pathlib
import sys

import numpy as np
from PIL import Image

CELL = 32  # side of one emoji, in pixels
BORDER = 1  # transparent pixels on every side of a cell of the source sheet
PITCH = CELL + 2 * BORDER
COLUMNS = 48
STEP = 5  # colour levels are multiples of this; 255 is one, so white stays white
EXPECTED = 1911  # base emoji in version 16.0.0


def read_sheet(path):
    """The source sheet composited over white, as an (h, w, 3) array, and its alpha."""
    with Image.open(path) as image:
        rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    rgb = np.asarray(Image.alpha_composite(white, rgba).convert("RGB"))
    return rgb, np.asarray(rgba)[:, :, 3]


def check_grid(rgb, alpha, emoji):
    """Fail unless the sheet is a grid of bordered cells that holds every emoji."""
    height, width = alpha.shape
    if width % PITCH or height % PITCH:
        sys.exit(f"the sheet is {width}x{height}: not a multiple of {PITCH} pixels")
    columns, rows = width // PITCH, height // PITCH
    for edge in (0, PITCH - 1):
        if alpha[edge::PITCH].any() or alpha[:, edge::PITCH].any():
            sys.exit("the borders between the cells of the sheet are not transparent")
    for e in emoji:
        if not (0 <= e["sheet_x"] < columns and 0 <= e["sheet_y"] < rows):
            sys.exit(f"{e['name']} lies outside of the sheet")
        if not e["has_img_google"]:
            sys.exit(f"{e['name']} has no image of its own in this set")


def cut(sheet, e):
    """The cell of one emoji, without its border."""
    x = e["sheet_x"] * PITCH + BORDER
    y = e["sheet_y"] * PITCH + BORDER
    return sheet[y : y + CELL, x : x + CELL]


def main():
    parser = argparse.ArgumentParser(description="Pack Noto emoji into one atlas.")
    parser.add_argument("package", type=pathlib.Path, help="the unpacked npm package")
    default = pathlib.Path(__file__).resolve().parent.parent / "data" / "emoji"
    parser.add_argument("--out", type=pathlib.Path, default=default, help="where to write")
    parser.add_argument("--exact", action="store_true", help="do not round the colours")
    args = parser.parse_args()

    emoji = json.loads((args.package / "emoji.json").read_text(encoding="utf-8"))
    emoji.sort(key=lambda e: e["sort_order"])
    if len(emoji) != EXPECTED:
        sys.exit(f"{len(emoji)} base emoji where {EXPECTED} were expected: is it version 16.0.0?")

    # The "clean" sheets hold no fallback images taken from other vendors' sets.
    sheet, alpha = read_sheet(args.package / "img" / "google" / "sheets-clean" / "32.png")
    check_grid(sheet, alpha, emoji)

    rows = -(-len(emoji) // COLUMNS)
    atlas = np.full((rows * CELL, COLUMNS * CELL, 3), 255, np.uint8)
    for i, e in enumerate(emoji):
        if not cut(alpha, e).any():
            sys.exit(f"the cell of {e['name']} is empty")
        y, x = i // COLUMNS * CELL, i % COLUMNS * CELL
        atlas[y : y + CELL, x : x + CELL] = cut(sheet, e)

    if not args.exact:
        wide = atlas.astype(np.int32)  # 255 + 2 does not fit in 8 bits
        atlas = ((wide + STEP // 2) // STEP * STEP).astype(np.uint8)

    # Categories in the order in which they first appear.
    categories = list(dict.fromkeys(e["category"] for e in emoji))
    labels = [categories.index(e["category"]) for e in emoji]
    table = {
        "cell": CELL,
        "columns": COLUMNS,
        "count": len(emoji),
        "categories": categories,
        "labels": labels,
    }

    args.out.mkdir(parents=True, exist_ok=True)
    picture = args.out / "emoji32.png"
    Image.fromarray(atlas).save(picture, optimize=True)
    text = json.dumps(table, separators=(",", ":"), ensure_ascii=False)
    (args.out / "labels.json").write_text(text + "\n", encoding="utf-8")

    print(f"{picture}: {atlas.shape[1]}x{atlas.shape[0]}, {picture.stat().st_size} bytes")
    for index, name in enumerate(categories):
        print(f"{index} {name}: {labels.count(index)}")


if __name__ == "__main__":
    main()
