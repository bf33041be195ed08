#!/usr/bin/env python3
"""Peak memory of a training over tar shards, by how many pictures they hold.

    python3 scripts/streaming.py target/release/tiny-mae [--seconds 300] [--counts 2000 20000 200000]

Makes the shards (WebDataset's form, 10,000 pictures of 8×8 px in each, two classes) in a temporary folder, trains the
MAE on them for an epoch, asks it to stop after so many seconds, and prints a row for each count. Standard library only.
"""

import argparse
import io
import os
import random
import signal
import struct
import subprocess
import tarfile
import tempfile
import time
import zlib
from pathlib import Path

SHARD = 10_000
SIDE = 8


def png(pixels):
    """An RGB picture of SIDE × SIDE."""
    rows = b"".join(b"\0" + pixels[row * 3 * SIDE :][: 3 * SIDE] for row in range(SIDE))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    out = b"\x89PNG\r\n\x1a\n"
    for kind, content in (b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""):
        out += struct.pack(">I", len(content)) + kind + content
        out += struct.pack(">I", zlib.crc32(kind + content))
    return out


def make(folder, count):
    random.seed(0)
    for first in range(0, count, SHARD):
        with tarfile.open(folder / f"train-{first // SHARD:05}.tar", "w") as shard:
            for index in range(first, min(first + SHARD, count)):
                label = index % 2
                pixels = bytes(random.randrange(100) + 120 * label for _ in range(3 * SIDE * SIDE))
                for name, content in (f"{index:07}.png", png(pixels)), (f"{index:07}.cls", b"%d" % label):
                    info = tarfile.TarInfo(name)
                    info.size = len(content)
                    shard.addfile(info, io.BytesIO(content))


def run(program, folder, seconds):
    """Peak resident MiB, seconds, seconds until the training begins, and how it ended."""
    command = [program, "--data", folder, "--task", "mae", "--epochs", "1", "--out", folder / "out"]
    log = folder / "log"
    start = time.monotonic()
    with log.open("w") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    begun, asked, ended = None, False, None
    while ended is None:
        time.sleep(0.05)
        if begun is None and "2 classes: 0, 1" in log.read_text():
            begun = time.monotonic() - start
        if not asked and time.monotonic() - start > seconds:
            child.send_signal(signal.SIGINT)
            asked = True
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            ended = os.waitstatus_to_exitcode(status)
    if ended not in (0, 130):
        raise SystemExit(log.read_text())
    how = "epoch done" if ended == 0 else "stopped"
    return usage.ru_maxrss / 1024, time.monotonic() - start, begun, how


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--counts", type=int, nargs="+", default=[2_000, 20_000, 200_000])
    args = parser.parse_args()
    print("| pictures | peak MiB | checked after s | ended after s | |\n|---|---|---|---|---|", flush=True)
    for count in args.counts:
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder), count)
            peak, seconds, begun, how = run(args.program.resolve(), Path(folder), args.seconds)
        begun = "-" if begun is None else f"{begun:.1f}"
        print(f"| {count:,} | {peak:.1f} | {begun} | {seconds:.1f} | {how} |", flush=True)


main()
