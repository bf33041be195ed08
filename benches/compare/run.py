#!/usr/bin/env python3
"""Ours against PyTorch + timm, or raw LibTorch, pair by pair, several rounds; prints the table of ratios.

Needs torch==2.9.0 and timm (but for raw-tch), and an idle machine: OpenMP's waiting threads spin.
    benches/compare/run.py [--backend NAME,..] [--json FILE] [--record FILE] [--plot FILE] [--rounds N]
                           [--threads N] [--only TEXT] [--peer raw-tch] [--before WORKER]
`--plot` needs matplotlib. Backends other than flex and ndarray are built with their cargo feature; PyTorch
runs on the GPU where the backend does. `--peer raw-tch` puts LibTorch's own calls, in a process of ours, in
PyTorch's place: projections on the CPU, for `--backend tch`. `--before` takes the `compare-worker` of an earlier
commit as a third side; cases that it lacks, or that fail there, are left blank. What is worth keeping goes to
benches/record/<question>/<date>-<machine>.md, with .json and .png beside it.
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
    "linear-gradients": ("16×16 → 768, forward + dW, db", 10),
    "linear-sum-backward": ("16×16 → 768, forward, sum, backward", 10),
    "overlap-forward": ("7×7 s4 p3 → 64, forward", 20),
    "overlap-gradients": ("7×7 s4 p3 → 64, forward + dW, db", 10),
    "overlap-sum-backward": ("7×7 s4 p3 → 64, forward, sum, backward", 10),
    "visible-forward": ("16×16 → 768, visible 25 % alone", 20),
    "bytes-forward": ("16×16 → 768 from bytes, normalised", 15),
    "train-28-4-64x4": ("train step, ViT 28²/4, dim 64 × 4, batch 128", 5),
    "train-32-4-192x6": ("train step, ViT 32²/4, dim 192 × 6, batch 64", 3),
    "train-vit-ti-16": ("train step, ViT-Ti/16 224², batch 8", 3),
}
# Longer than OpenMP's and rayon's threads wait before they sleep.
PAUSE = 0.05
# LibTorch allocates by the C library, which gives freed pages back after each iteration in a Rust process and
# keeps them in Python, where others lie above: that alone is a quarter of a projection. Both sides keep them.
KEEP_PAGES = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 32)}


class Worker:
    def __init__(self, command, env, may_fail=False):
        self.start = lambda: subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **env})
        self.process, self.may_fail, self.failed = self.start(), may_fail, set()

    def measure(self, case, iterations):
        if case in self.failed:
            return None
        time.sleep(PAUSE)
        self.process.stdin.write(f"{case} {iterations}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if answer:
            return float(answer)
        if not self.may_fail:
            sys.exit(f"a worker stopped at {case}")
        self.failed.add(case)
        self.process.wait()
        self.process = self.start()
        return None

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def machine():
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown CPU")
    flags = next((line for line in lines if line.startswith("flags")), "")
    return f"{model}, {os.cpu_count()} cores" + (", AVX-512" if "avx512f" in flags else "")


# The cargo feature of each backend that the default build lacks.
FEATURES = {"wgpu": "wgpu", "cuda": "cuda", "tch": "tch", "tch-cuda": "tch"}
# What only backends on the CPU have a door for.
CPU_ONLY = ("linear-gradients", "overlap-gradients")
ON_GPU = ("wgpu", "cuda", "tch-cuda")
RAW = "raw-tch"


def build(backends):
    features = sorted({FEATURES[name] for name in backends if name in FEATURES})
    packages = ("tiny-mae", "burn-patch-bench")
    asked = [f"{package}/{feature}" for feature in features for package in packages]
    # With tiny-mae, whose features are the same: cargo then builds Burn once for both.
    command = ["cargo", "build", "--release", "-q", "-p", "tiny-mae", "-p", "burn-patch-bench", "--bins"]
    subprocess.run(command + (["--features", ",".join(asked)] if asked else []), cwd=ROOT, check=True)
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/compare-worker"


def torch_device(backend):
    import torch
    return "cuda" if backend in ON_GPU and torch.cuda.is_available() else "cpu"


def compare(args, worker, backend):
    threads = str(args.threads)
    env = {"RAYON_NUM_THREADS": threads, "OMP_NUM_THREADS": threads, **KEEP_PAGES}
    ours = Worker([worker, backend], env)
    if args.peer == RAW:
        peer = Worker([worker, RAW], env)
    else:
        peer_script = ROOT / "benches/compare/torch_worker.py"
        peer = Worker([sys.executable, peer_script, threads, torch_device(backend)], env)
    sides = {"ours": ours, "peer": peer}
    if args.before:
        sides["before"] = Worker([args.before, backend], env, may_fail=True)
    rows = []
    for case, (title, iterations) in CASES.items():
        projection = case.startswith(("linear-", "overlap-"))
        if args.only not in case or (case in CPU_ONLY and backend in ON_GPU) or (args.peer == RAW and not projection):
            continue
        rounds = []
        for turn in range(args.rounds):
            order = list(sides) if turn % 2 == 0 else list(sides)[::-1]
            rounds.append({side: sides[side].measure(case, iterations) for side in order})
        row = {"backend": backend, "peer": args.peer, "case": case, "title": title, **summary(rounds, "ours")}
        row["peer_ms"] = statistics.median(times["peer"] for times in rounds)
        if args.before and case not in sides["before"].failed:
            row["before"] = summary(rounds, "before")
        rows.append(row)
        before = f"  before {row['before']['ratio']:.2f}" if "before" in row else ""
        print(f"{backend:<8} {title:<46} ours {row['ours_ms']:8.2f} ms  {peer_name(args)} {row['peer_ms']:8.2f} ms  "
              f"ratio {row['ratio']:.2f} ({row['lowest']:.2f} to {row['highest']:.2f}){before}", flush=True)
    for side in sides.values():
        side.stop()
    return rows


def summary(rounds, side):
    """A side's median, and its ratio to the peer in the same round: median, lowest, highest."""
    ratios = sorted(times[side] / times["peer"] for times in rounds)
    return {f"{side}_ms": statistics.median(times[side] for times in rounds), "ratio": statistics.median(ratios),
            "lowest": ratios[0], "highest": ratios[-1]}


def peer_name(args):
    return "raw tch" if args.peer == RAW else "PyTorch"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", help="write the ratios here as well")
    parser.add_argument("--record", help="write a dated record here, in Markdown")
    parser.add_argument("--plot", help="draw the ratios here, as PNG")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--backend", default="flex", help="one or more, with commas")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--peer", choices=["pytorch", RAW], default="pytorch")
    parser.add_argument("--before", help="the compare-worker of an earlier commit", metavar="WORKER")
    args = parser.parse_args()
    backends = args.backend.split(",")
    unknown = [name for name in backends if name not in ("flex", "ndarray", *FEATURES)]
    if unknown:
        parser.error(f"unknown backend {unknown[0]}; expected flex, ndarray, {', '.join(FEATURES)}")

    if args.peer == RAW and backends != ["tch"]:
        parser.error(f"{RAW} is a peer of tch alone")

    worker = build(backends)
    rows = [row for backend in backends for row in compare(args, worker, backend)]
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    if args.record:
        pathlib.Path(args.record).write_text(record(args, backends, rows))
    if args.plot:
        plot(args.plot, rows, peer_name(args))


def record(args, backends, rows):
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    name, gpu = peer_name(args), ""
    peer = name
    if args.peer != RAW:
        import timm
        import torch
        peer = f"PyTorch {torch.__version__} + timm {timm.__version__}"
        if any(torch_device(backend) == "cuda" for backend in backends):
            gpu = f"; {torch.cuda.get_device_name()}"
    lines = [
        f"# {', '.join(backends)} against {peer}, {datetime.date.today()}",
        "",
        f"{machine()}{gpu}; {args.threads} threads on both sides; commit {commit}; f32; input 8×3×224×224 unless",
        f"said; {args.rounds} rounds in turn, the median of each round's iterations; ratio ours / {name}, its",
        f"median and its range over the rounds. Where {name} has two ways (convolution, linear), the faster counts.",
    ]
    for backend in backends:
        columns = ["work", "ours, ms", f"{name}, ms", "ratio", "lowest to highest"]
        columns += ["before, ms", "ratio before"] if args.before else []
        lines += ["", f"## {backend}", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        lines += [f"| {' | '.join(cells(row, args.before))} |" for row in rows if row["backend"] == backend]
    return "\n".join(lines) + "\n"


def cells(row, with_before):
    found = [row["title"], f"{row['ours_ms']:.2f}", f"{row['peer_ms']:.2f}", f"{row['ratio']:.2f}",
             f"{row['lowest']:.2f} to {row['highest']:.2f}"]
    if with_before:
        before = row.get("before")
        found += [f"{before['before_ms']:.2f}", f"{before['ratio']:.2f}"] if before else ["", ""]
    return found


def plot(path, rows, peer):
    """Ratios as bars with their range; shorter is faster, the line is the peer."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    labels = [row["title"] if row["backend"] == rows[0]["backend"] == rows[-1]["backend"]
              else f"{row['backend']}: {row['title']}" for row in rows][::-1]
    ratios = [row["ratio"] for row in rows][::-1]
    below = [row["ratio"] - row["lowest"] for row in rows][::-1]
    above = [row["highest"] - row["ratio"] for row in rows][::-1]
    figure, axes = plt.subplots(figsize=(9, 0.7 + 0.36 * len(rows)), layout="constrained")
    colours = ["#2a7f62" if ratio <= 1 else "#c2603a" for ratio in ratios]
    axes.barh(labels, ratios, xerr=[below, above], color=colours, height=0.62,
              error_kw={"ecolor": "#333333", "capsize": 2, "linewidth": 0.9})
    axes.axvline(1, color="#333333", linewidth=1.2)
    axes.set_xlabel(f"time relative to {peer}, median and range of the rounds\nleft of the line is faster")
    axes.margins(y=0.01)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
