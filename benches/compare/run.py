#!/usr/bin/env python3
"""Ours against PyTorch + timm, pair by pair, several rounds; prints the table of ratios.

Needs torch==2.9.0 and timm, and an idle machine: OpenMP's waiting threads spin.
    benches/compare/run.py [--json FILE] [--record FILE] [--rounds N] [--threads N] [--only TEXT]
"""

import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Case: what the table calls it, iterations per round.
CASES = {
    "linear-forward": ("16×16 → 768, forward", 15),
    "linear-forward-backward": ("16×16 → 768, forward + dW, db", 10),
    "overlap-forward": ("7×7 s4 p3 → 64, forward", 20),
    "overlap-forward-backward": ("7×7 s4 p3 → 64, forward + dW, db", 10),
    "visible-forward": ("16×16 → 768, visible 25 % alone", 20),
    "train-28-4-64x4": ("train step, ViT 28²/4, dim 64 × 4, batch 128", 5),
    "train-32-4-192x6": ("train step, ViT 32²/4, dim 192 × 6, batch 64", 3),
    "train-vit-ti-16": ("train step, ViT-Ti/16 224², batch 8", 3),
}
# Longer than OpenMP's and rayon's threads wait before they sleep.
PAUSE = 0.05


class Worker:
    def __init__(self, command, env):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **env})

    def measure(self, case, iterations):
        time.sleep(PAUSE)
        self.process.stdin.write(f"{case} {iterations}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"a worker stopped at {case}")
        return float(answer)


def machine():
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown CPU")
    flags = next((line for line in lines if line.startswith("flags")), "")
    return f"{model}, {os.cpu_count()} cores" + (", AVX-512" if "avx512f" in flags else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", help="write the ratios here as well")
    parser.add_argument("--record", help="write a dated record here, in Markdown")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--backend", default="flex", choices=["flex", "ndarray"])
    parser.add_argument("--only", default="", help="cases whose name contains this")
    args = parser.parse_args()

    # With tiny-mae, whose features are the same: cargo then builds Burn once for both.
    subprocess.run(
        ["cargo", "build", "--release", "-q", "-p", "tiny-mae", "-p", "burn-patch-bench", "--bins"],
        cwd=ROOT, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    ours = Worker([target / "release/compare-worker", args.backend], {"RAYON_NUM_THREADS": str(args.threads)})
    peer_script = ROOT / "benches/compare/torch_worker.py"
    peer = Worker([sys.executable, peer_script, str(args.threads), "cpu"], {"OMP_NUM_THREADS": str(args.threads)})

    rows = []
    for case, (title, iterations) in CASES.items():
        if args.only not in case:
            continue
        pairs = []
        for turn in range(args.rounds):
            order = [ours, peer] if turn % 2 == 0 else [peer, ours]
            times = {worker: worker.measure(case, iterations) for worker in order}
            pairs.append((times[ours], times[peer]))
        ratios = sorted(mine / theirs for mine, theirs in pairs)
        rows.append({
            "case": case, "title": title,
            "ours_ms": statistics.median(mine for mine, _ in pairs),
            "peer_ms": statistics.median(theirs for _, theirs in pairs),
            "ratio": statistics.median(ratios), "lowest": ratios[0], "highest": ratios[-1],
        })
        row = rows[-1]
        print(f"{title:<48} ours {row['ours_ms']:8.2f} ms  PyTorch {row['peer_ms']:8.2f} ms  "
              f"ratio {row['ratio']:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})", flush=True)

    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    if args.record:
        pathlib.Path(args.record).write_text(record(args, rows))


def record(args, rows):
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    import timm
    import torch
    lines = [
        f"# {args.backend} against PyTorch {torch.__version__} + timm {timm.__version__}, {datetime.date.today()}",
        "",
        f"{machine()}; {args.threads} threads on both sides; commit {commit}; f32; input 8×3×224×224 unless",
        f"said; {args.rounds} rounds in turn, the median of each round's iterations; ratio ours / PyTorch, its",
        "median and its range over the rounds. Where PyTorch has two ways (convolution, linear), the faster counts.",
        "",
        "| work | ours, ms | PyTorch, ms | ratio | lowest to highest |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['title']} | {row['ours_ms']:.2f} | {row['peer_ms']:.2f} | {row['ratio']:.2f} "
        f"| {row['lowest']:.2f} to {row['highest']:.2f} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


main()
