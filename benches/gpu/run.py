#!/usr/bin/env python3
"""Everything about this library on an NVIDIA GPU, within eight minutes, as a dated record.

    benches/gpu/run.py FOLDER [--minutes 8] [--only STEP,..]

Writes record.md, record.json and log.txt into FOLDER. Runs the programs of gpu-bundle/ where scripts/gpu-bundle made
one (then nothing is installed or compiled here), else builds them with cargo. Wants python3 with PyTorch, whose
LibTorch the programs take, and timm for the comparison; Vulkan needs the driver's own description file.

The most important steps come first. Each is bounded in time and skipped when too little is left, so that one that
hangs costs only itself.
"""

import argparse
import datetime
import json
import pathlib
import re
import statistics
import sys
import tempfile
import time

import record
from bounded import Ended, Late, Log, MemoryWatch, Run, Worker, cpu, query
from programs import ROOT, Programs

BATCH = 64
# Case: what the table calls it, iterations of a round.
CASES = {
    "linear-forward": ("16×16 → 768, forward", 30),
    "linear-sum-backward": ("16×16 → 768, forward, sum, backward", 20),
    "overlap-forward": ("7×7 s4 p3 → 64, forward", 30),
    "overlap-sum-backward": ("7×7 s4 p3 → 64, forward, sum, backward", 20),
    "visible-forward": ("16×16 → 768, visible 25 % alone", 30),
    "bytes-forward": ("16×16 → 768 from bytes, normalised", 30),
    "infer-vit-s-16": ("infer ViT-S/16", 20),
    "train-vit-s-16": ("train step, ViT-S/16", 15),
    "train-28-4-64x4": ("train step, ViT 28²/4, dim 64 × 4, batch 128", 30),
    "train-32-4-192x6": ("train step, ViT 32²/4, dim 192 × 6, batch 64", 30),
}
# On wgpu each case first compiles and tunes its kernels.
ON_WGPU = ["linear-forward", "linear-sum-backward", "overlap-forward", "infer-vit-s-16", "train-28-4-64x4",
           "train-vit-s-16"]
COMPILED = ["train-28-4-64x4", "train-vit-s-16", "infer-vit-s-16"]
# Of a training step of ViT-S/16: forward and twice as much backward, two operations a product.
TOKENS, DIM, DEPTH = 196, 384, 12
FLOPS = 6 * BATCH * TOKENS * (DEPTH * (12 * DIM**2 + 2 * TOKENS * DIM) + 768 * DIM)
# cuDNN's convolutions are TF32 unless told otherwise; ours switch it off themselves.
EXACT = {"NVIDIA_TF32_OVERRIDE": "0"}
EPOCH = r"^\S+ epoch 1/"


class Machine:
    def __init__(self, folder, work, minutes):
        self.folder, self.work = folder, work
        self.deadline = time.monotonic() + 60 * minutes
        self.log = Log(folder / "log.txt")
        self.programs = Programs(work)
        self.found = {"date": str(datetime.date.today()), "commit": self.programs.facts["commit"],
                      "bundle": self.programs.facts, "vulkan_driver": self.programs.vulkan["driver"], "steps": {}}

    def left(self):
        return self.deadline - time.monotonic()

    def run(self, command, seconds, env=None):
        return Run(command, min(seconds, max(self.left(), 1)), self.log, {**self.programs.env, **(env or {})})

    def note(self, name, value):
        self.found[name] = value
        (self.folder / "record.json").write_text(json.dumps(self.found, indent=1, ensure_ascii=False) + "\n")
        (self.folder / "record.md").write_text(record.markdown(self.found))


def facts(machine):
    asked = "name,driver_version,memory.total,clocks.max.sm,power.limit"
    peaks = machine.run([sys.executable, ROOT / "benches/gpu/peaks.py"], 60, EXACT)
    peaks = json.loads(peaks.lines[-1][1]) if peaks.ok() else {}
    machine.note("card", query(asked))
    machine.note("cpu", cpu())
    machine.note("peaks", peaks)
    ours, theirs = machine.programs.facts["torch"], peaks.get("torch", "")
    if ours and theirs and ours.split("+")[0] != theirs.split("+")[0]:
        print(f"the bundle was built for PyTorch {ours}, this is {theirs}: LibTorch may not load", flush=True)


def conformance(machine, name, test, backends, seconds, shards=4, only=None):
    """Shards run beside each other, since much of the time is the CPU's."""
    import concurrent.futures
    env = {"BURN_PATCH_BACKENDS": backends, "CUBECL_AUTOTUNE_LEVEL": "minimal", "RAYON_NUM_THREADS": "4",
           "OMP_NUM_THREADS": "4"}
    command = [machine.programs.suite, test, "--nocapture"]
    parts = only or [f"{part + 1}/{shards}" for part in range(shards)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda part: machine.run(command, seconds, {**env, "BURN_PATCH_SHARD": part}), parts))
    text = "\n".join(run.text() for run in runs)
    worst = re.findall(r"^  (\S.*?) +values (\S+)  gradients (\S+)$", text, re.M)
    machine.note(name, {
        "backends": backends, "outcome": [run.outcome() for run in runs], "subjects": len(worst),
        "seconds": max(run.seconds for run in runs),
        "largest": {"values": max((float(row[1]) for row in worst), default=None),
                    "gradients": max((float(row[2]) for row in worst), default=None)},
        "apart": re.findall(r"^.*(?:differ by|on \S+: \d\.\de).*$", text, re.M)[:30]})


def timings(machine, backend, dtype, cases, seconds, rounds=3, first=60):
    """Ours and PyTorch's in turn; cases that are slow to start get `first` seconds."""
    programs, deadline = machine.programs, time.monotonic() + min(seconds, machine.left())
    key = f"timings {backend} {dtype}"
    rows = []
    sides = {}
    try:
        for case in cases:
            title, iterations = CASES[case]
            pairs = []
            try:
                for turn in range(rounds):
                    times = {}
                    for side in ("ours", "torch") if turn % 2 == 0 else ("torch", "ours"):
                        if side not in sides:
                            sides[side] = start(machine, side, backend, dtype)
                        limit = min(first if turn == 0 else 20, deadline - time.monotonic())
                        times[side] = sides[side].measure(case, iterations, limit)
                    pairs.append((times["ours"], times["torch"]))
            except (Late, Ended) as stopped:
                rows.append({"case": case, "title": title, "stopped": str(stopped)})
                for side in list(sides):
                    sides.pop(side).stop()
                if time.monotonic() > deadline - 5:
                    break
                continue
            ratios = sorted(mine / theirs for mine, theirs in pairs)
            rows.append({
                "case": case, "title": title, "ours_ms": statistics.median(mine for mine, _ in pairs),
                "torch_ms": statistics.median(theirs for _, theirs in pairs), "ratio": statistics.median(ratios),
                "lowest": ratios[0], "highest": ratios[-1]})
            print(f"  {backend} {dtype} {title}: {rows[-1]['ours_ms']:.3f} ms, PyTorch {rows[-1]['torch_ms']:.3f} ms, "
                  f"ratio {rows[-1]['ratio']:.2f}", flush=True)
            machine.note(key, rows)
    finally:
        for worker in sides.values():
            worker.stop()
    machine.note(key, rows)


def start(machine, side, backend, dtype, mode="eager"):
    if side == "ours":
        command = [machine.programs.worker, backend, dtype, BATCH]
        return Worker(f"ours on {backend}, {dtype}", command, machine.programs.env, machine.log)
    script = ROOT / "benches/compare/torch_worker.py"
    command = [sys.executable, script, "4", "cuda", dtype, BATCH, mode]
    return Worker(f"PyTorch, {mode}, {dtype}", command, EXACT, machine.log)


def compiled(machine, dtype, seconds):
    """torch.compile, whose first iterations compile."""
    deadline = time.monotonic() + min(seconds, machine.left())
    worker, found = start(machine, "torch", "", dtype, "compile"), {}
    for case in COMPILED:
        try:
            found[case] = worker.measure(case, CASES[case][1], deadline - time.monotonic())
        except (Late, Ended) as stopped:
            found[case] = str(stopped)
            break
        finally:
            machine.note(f"compiled {dtype}", found)
    worker.stop()


def memory(machine, seconds):
    """The card's memory while one side alone trains ViT-S/16."""
    for dtype in ("f32", "bf16"):
        found = machine.found.get("memory", {})
        for side in ("ours", "torch"):
            with MemoryWatch() as watch:
                worker = start(machine, side, "tch-cuda", dtype)
                try:
                    worker.measure("train-vit-s-16", 5, min(seconds, machine.left()))
                    found[f"{side} {dtype}"] = watch.used()
                except (Late, Ended) as stopped:
                    found[f"{side} {dtype}"] = str(stopped)
                worker.stop()
            time.sleep(1)
            machine.note("memory", found)


def tiny_mae(machine, name, backend, arguments, seconds, env=None):
    out = machine.work / name.replace(" ", "-")
    command = [machine.programs.tiny_mae, "--backend", backend, "--out", out, *arguments]
    run = machine.run(command, seconds, env)
    metrics = out / "metrics.json"
    metrics = json.loads(metrics.read_text()) if metrics.exists() else {}
    keep = ("test_accuracy_finetuned", "test_accuracy_scratch", "mae_loss", "images_per_second",
            "mae_images_per_second", "vit_images_per_second")
    machine.note(name, {
        "outcome": run.outcome(), "seconds": run.seconds, "first_epoch": run.first(EPOCH),
        "last_lines": [line for _, line in run.lines[-3:]], **{key: metrics.get(key) for key in keep}})


def cold(machine, name, seconds):
    """CubeCL's and the driver's caches in a folder of their own, empty the first time."""
    env = {"CUBECL_ENVIRONMENT": f"record-{machine.work.name}", "__GL_SHADER_DISK_CACHE_PATH": str(machine.work)}
    tiny_mae(machine, name, "wgpu", ["--quick"], seconds, env)


def steps(machine):
    """Name, the seconds that it wants left at least, and what it does."""
    return [
        ("facts", 10, lambda: facts(machine)),
        ("tch-conformance", 20, lambda: conformance(
            machine, "conformance tch-cuda f32", "conformance::backends_agree", "flex,tch-cuda", 90)),
        ("tch-f32", 30, lambda: timings(machine, "tch-cuda", "f32", CASES, 80)),
        ("tch-bf16", 30, lambda: timings(machine, "tch-cuda", "bf16", CASES, 60)),
        ("tch-quick", 15, lambda: tiny_mae(machine, "tiny-mae quick tch-cuda", "tch-cuda", ["--quick"], 40)),
        ("tch-tiny-mae", 40, lambda: tiny_mae(machine, "tiny-mae tch-cuda", "tch-cuda", [], 75)),
        ("wgpu-cold", 30, lambda: cold(machine, "tiny-mae quick wgpu cold", 75)),
        ("wgpu-warm", 20, lambda: cold(machine, "tiny-mae quick wgpu warm", 45)),
        ("wgpu-conformance", 20, lambda: conformance(
            machine, "conformance wgpu f32, a part", "conformance::backends_agree", "flex,wgpu", 50, only=[
                "1/12", "4/12", "7/12", "10/12"])),
        ("wgpu-f32", 30, lambda: timings(machine, "wgpu", "f32", ON_WGPU, 110, first=80)),
        ("memory", 20, lambda: memory(machine, 15)),
        ("tch-half", 15, lambda: conformance(
            machine, "conformance tch-cuda half", "conformance::half_precision", "tch-cuda", 40)),
        ("compile-f32", 30, lambda: compiled(machine, "f32", 80)),
        ("compile-bf16", 30, lambda: compiled(machine, "bf16", 60)),
        ("wgpu-tiny-mae", 60, lambda: tiny_mae(machine, "tiny-mae wgpu", "wgpu", [], 120)),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--only", help="steps, with commas")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="burn-patch-") as work:
        machine = Machine(args.folder, pathlib.Path(work), args.minutes)
        print(f"programs ready, {machine.left():.0f} s left", flush=True)
        chosen = args.only and args.only.split(",")
        for name, least, work_of_it in steps(machine):
            if chosen and name not in chosen:
                continue
            began = time.monotonic()
            if machine.left() < least:
                outcome = "skipped: no time left"
            else:
                try:
                    work_of_it()
                    outcome = "done"
                except Exception as error:  # A step costs only itself.
                    outcome = f"failed: {error!r}"
            took = time.monotonic() - began
            print(f"{name}: {outcome}, {took:.0f} s; {machine.left():.0f} s left", flush=True)
            machine.note("steps", {**machine.found["steps"], name: f"{outcome}, {took:.0f} s"})
    print((args.folder / "record.md").read_text())


if __name__ == "__main__":
    main()
