"""Pictures in modes other than 8-bit RGB, each beside what it should be read as, in modes/: run in this folder.

What it should be is Pillow's convert("RGB"), with two departures. Transparency is over white. 16 bits of grey are scaled
to 8, where Pillow 13 cuts off all above 255, so that nearly every pixel would be white.
"""
import io
import struct
import zlib

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 16, 24
y, x = np.mgrid[:HEIGHT, :WIDTH]
ramp = (x * 2700 + y * 200).astype(np.uint16)  # 0 to 65,100
smooth = np.stack([x * 10, y * 15, 255 - x * 10, (x + y) * 4], -1).clip(0, 255).astype(np.uint8)
alpha = (y * 17).astype(np.uint8)


def save(name, picture, expected=None, **options):
    """Saves `picture`, and as what it should be read."""
    picture.save(f"modes/{name}", **options)
    expect(name, over_white(Image.open(f"modes/{name}")) if expected is None else expected)


def expect(name, expected):
    Image.fromarray(np.asarray(expected, np.uint8)).save(f"modes/{name}.expected.png", optimize=True)


def over_white(picture):
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def scaled(values):
    return (np.asarray(values, np.float64) / 257).round()


def png16(name, values, colour):
    """A PNG of 16 bits a value, which Pillow writes for grey alone."""
    values = values.reshape(HEIGHT, WIDTH, -1)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    with open(f"modes/{name}", "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, content in chunks:
            check = zlib.crc32(kind + content)
            file.write(struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check))


def main():
    grey = np.repeat(scaled(ramp)[..., None], 3, -1)
    save("l16.png", Image.fromarray(ramp), grey)
    save("l16.tiff", Image.fromarray(ramp), grey)
    wide = np.stack([ramp, ramp[::-1], 65535 - ramp], -1)
    png16("rgb16.png", wide, 2)
    expect("rgb16.png", Image.open("modes/rgb16.png").convert("RGB"))
    share = alpha[..., None] / 255
    wide_alpha = alpha[..., None].astype(np.uint16) * 257
    png16("la16.png", np.dstack([ramp, wide_alpha]), 4)
    expect("la16.png", (grey * share + 255 * (1 - share)).round())
    png16("rgba16.png", np.dstack([wide, wide_alpha]), 6)
    expect("rgba16.png", (scaled(wide) * share + 255 * (1 - share)).round())

    levels = Image.fromarray((ramp >> 8).astype(np.uint8))
    bits = Image.fromarray((x + y) % 3 == 0)
    save("l.png", levels)
    save("bits.png", bits)
    save("bits.tiff", bits)
    save("bits.bmp", bits)
    save("la.png", Image.merge("LA", [levels, Image.fromarray(alpha)]))
    save("key.png", levels, transparency=levels.getpixel((5, 5)))
    colours = Image.fromarray(smooth[..., :3])
    save("rgb-key.png", colours, transparency=colours.getpixel((5, 5)))
    for count in (2, 4, 16, 200):
        palette = colours.quantize(count)
        save(f"palette-{count}.png", palette)
        save(f"palette-{count}-alpha.png", palette, transparency=bytes(range(0, 256, 256 // count)))
    save("palette.gif", colours.quantize(16), transparency=3)
    save("palette.bmp", colours.quantize(16))

    cmyk = Image.frombytes("CMYK", (WIDTH, HEIGHT), smooth.tobytes())
    save("cmyk.jpg", cmyk, quality=100, subsampling=0)
    save("cmyk.tiff", cmyk)
    # Adobe's other form, brightness and colour in place of three inks: the same values, called so in the marker.
    content = io.BytesIO()
    cmyk.save(content, "JPEG", quality=100, subsampling=0)
    content = bytearray(content.getvalue())
    content[content.index(b"Adobe") + 11] = 2
    with open("modes/ycck.jpg", "wb") as file:
        file.write(content)
    expect("ycck.jpg", Image.open("modes/ycck.jpg").convert("RGB"))


main()
