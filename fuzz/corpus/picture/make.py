"""Small pictures that careless readers get wrong: made with pillow and numpy, run in the folder above."""
import io, numpy as np
from PIL import Image
y, x = np.mgrid[:48, :64]
base = np.stack([x * 4, y * 5, 128 + 60 * np.sin(x / 5.0) * np.cos(y / 7.0)], -1).clip(0, 255).astype(np.uint8)
base[4:12, 4:12] = [255, 255, 255]                       # a white square at the top left shows which way is up
im = Image.fromarray(base)
im.save("pictures/upright.png")
b = io.BytesIO(); im.save(b, "PNG"); open("pictures/png-inside.JPEG", "wb").write(b.getvalue())
b = io.BytesIO(); im.save(b, "JPEG", quality=90); jpeg = b.getvalue(); open("pictures/jpeg-inside.png", "wb").write(jpeg)
open("pictures/cut.jpg", "wb").write(jpeg[: len(jpeg) * 55 // 100])
for o, turn in ((3, Image.ROTATE_180), (6, Image.ROTATE_90), (8, Image.ROTATE_270)):
    e = Image.Exif(); e[0x0112] = o
    im.transpose(turn).save(f"pictures/exif-{o}.jpg", exif=e, quality=90)   # shown upright, all equal upright.png
rgba = np.dstack([base, np.full(base.shape[:2], 255, np.uint8)]); rgba[:, :16] = [255, 0, 0, 0]
Image.fromarray(rgba, "RGBA").save("pictures/hidden-red.png")               # fully transparent where red: white is right
im.save("pictures/lossless.webp", lossless=True); im.save("pictures/b.bmp"); im.save("pictures/t.tiff"); im.convert("P").save("pictures/g.gif")
