#!/usr/bin/env python3
"""Which operations of LibTorch a case of the comparison runs, how often, and for how long: PyTorch's and ours.

    benches/compare/operations.py CASE [--before WORKER] [--threads N] [--record FILE]

CASE is one of run.py's, such as train-28-4-64x4. Both sides are watched in the same way, by LibTorch's own observer
(operations.cpp, compiled with g++), so PyTorch and the LibTorch of our side must be of one version. The time of an
operation is without that of the operations it calls, on the CPU, the median of five runs. What is left of a step is the
time of the host outside of LibTorch: Burn's and ours, or Python's and its tape's.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import torch

import run

HERE = pathlib.Path(__file__).resolve().parent
TORCH = pathlib.Path(torch.__file__).parent
FEW, MANY, RUNS = 4, 24, 5
# Milliseconds; operations that take less on every side share a row.
LEAST = 0.2


def observer(folder):
    library = folder / "operations.so"
    subprocess.run(["g++", "-std=c++17", "-O2", "-shared", "-fPIC", f"-I{TORCH}/include", HERE / "operations.cpp",
                    f"-L{TORCH}/lib", "-ltorch_cpu", "-lc10", "-o", library], check=True)
    return library


def totals(command, case, iterations, env, out):
    """Count and milliseconds of each operation in a whole process, and the median milliseconds of an iteration."""
    ended = subprocess.run([str(word) for word in command], input=f"{case} {iterations}\n", stdout=subprocess.PIPE,
                           text=True, env={**os.environ, **env, "OPERATIONS": str(out)}, check=True)
    lines = (line.split(maxsplit=2) for line in out.read_text().splitlines())
    return {name: (int(count), float(time)) for count, time, name in lines}, float(ended.stdout)


def step(command, case, env, out):
    """Count and milliseconds of each operation in one iteration, and its whole time."""
    runs = []
    for _ in range(RUNS):
        (few, _), (many, whole) = (totals(command, case, number, env, out) for number in (FEW, MANY))
        differences = {name: [(now - then) / (MANY - FEW) for now, then in zip(many[name], few.get(name, (0, 0)))]
                       for name in many}
        runs.append(({name: found for name, found in differences.items() if found[0] > 0}, whole))
    names = {name for found, _ in runs for name in found}
    medians = {name: [statistics.median(found.get(name, (0, 0))[at] for found, _ in runs) for at in (0, 1)]
               for name in names}
    return medians, statistics.median(whole for _, whole in runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=run.CASES)
    parser.add_argument("--before", help="the compare-worker of an earlier commit", metavar="WORKER")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--record", help="append the table here, in Markdown")
    args = parser.parse_args()
    threads = str(args.threads)
    sides = {"PyTorch": [sys.executable, HERE / "torch_worker.py", threads, "cpu"], "ours": [run.build(["tch"]), "tch"]}
    if args.before:
        sides["before"] = [args.before, "tch"]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        env = {"OMP_NUM_THREADS": threads, "LD_PRELOAD": str(observer(folder)), **run.KEEP_PAGES}
        own = {"PyTorch": {"LD_LIBRARY_PATH": f"{TORCH}/lib"}}
        found = {side: step(command, args.case, {**env, **own.get(side, {})}, folder / "out")
                 for side, command in sides.items()}
    text = table(args.case, found)
    print(text)
    if args.record:
        with open(args.record, "a") as record:
            record.write(f"\n{text}\n")


def table(case, found):
    most = {name: max(side.get(name, (0, 0))[1] for side, _ in found.values())
            for operations, _ in found.values() for name in operations}
    longest = sorted((name for name in most if most[name] >= LEAST), key=lambda name: -most[name])
    lines = [f"## {run.CASES[case][0]}", "",
             "| operation | " + " | ".join(f"{side}, times | ms" for side in found) + " |",
             "|---|" + "---|---|" * len(found)]
    for name in longest:
        cells = (f"{operations[name][0]:.0f} | {operations[name][1]:.2f}" if name in operations else " | "
                 for operations, _ in found.values())
        lines.append(f"| `{name.removeprefix('aten::')}` | " + " | ".join(cells) + " |")
    others = [[found[name] for name in most if most[name] < LEAST and name in found] for found, _ in found.values()]
    lines.append("| others | " + " | ".join(f"{sum(n for n, _ in side):.0f} | {sum(t for _, t in side):.2f}"
                                            for side in others) + " |")
    sums = [[sum(column) for column in zip(*operations.values())] for operations, _ in found.values()]
    lines.append("| all of LibTorch | " + " | ".join(f"{count:.0f} | {time:.2f}" for count, time in sums) + " |")
    rest = (whole - time for (_, whole), (_, time) in zip(found.values(), sums))
    lines.append("| the rest of the step | " + " | ".join(f"| {time:.2f}" for time in rest) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
