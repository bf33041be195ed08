#!/usr/bin/env python3
"""How many pipelines CubeCL compiles and how many candidates it tunes, from its own logs; software Vulkan gives the
same counts as a GPU.

    benches/gpu/count.py [--json FILE] [--seconds 1800] [--tuned] [--programs FOLDER] [quick] [vit]

`quick` is `tiny-mae --quick`, `vit` training steps of ViT-S/16 on 2 pictures: kernels do not depend on that number, keys
of tuning do but for small ones. Both start with empty caches. A candidate counts if it was launched and measured; those
that a device refuses are counted apart. With --tuned, products are tuned too. Runs the programs of gpu-bundle/ where there
are some, or those in FOLDER (`tiny-mae` and `compare-worker`), or builds them.
"""

import argparse
import collections
import json
import pathlib
import re
import tempfile

from bounded import Log, Run
from programs import Programs

LOGS = """
[compilation.logger]
level = "basic"
file = "compiled.log"
[autotune.decisions]
file = "tuned.log"
"""


def count(name, command, seconds, programs, work, log):
    folder = work / name
    folder.mkdir()
    (folder / "cubecl.toml").write_text(LOGS)
    env = {**programs.env, "CUBECL_ENVIRONMENT": f"count-{work.name}-{name}"}
    run = Run(command, seconds, log, env, cwd=folder)
    compiled = re.findall(r"^\[Compiling kernel\] ?(.*)$", read(folder / "compiled.log"), re.M)
    decisions = [json.loads(line) for line in read(folder / "tuned.log").splitlines() if line.startswith("{")]
    outcomes = [result["outcome"] for decision in decisions for result in decision.get("results", [])]
    measured = sum("Ok" in outcome for outcome in outcomes)
    refused = sum("Err" in outcome and "Skip" not in outcome["Err"] for outcome in outcomes)
    found = {
        "outcome": run.outcome(), "seconds": round(run.seconds), "pipelines": len(compiled),
        "decisions": len(decisions), "candidates": measured, "refused": refused,
        "first_epoch": run.first(r"^\S+ epoch 1/"),
        "kernels": dict(collections.Counter(kernel.split("<")[0] for kernel in compiled).most_common(25)),
    }
    print(f"{name}: {found['pipelines']} pipelines, {found['decisions']} decisions over {found['candidates']} candidates "
          f"({found['refused']} more refused), {found['seconds']} s, {found['outcome']}", flush=True)
    for kernel, times in found["kernels"].items():
        print(f"  {times:4} {kernel}")
    return found


def read(path):
    return path.read_text(errors="replace") if path.exists() else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="quick, vit; none: both")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--programs", type=pathlib.Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="burn-patch-") as work:
        work = pathlib.Path(work)
        programs, log = Programs(work, args.programs), Log(work / "log.txt")
        tune, tuned = (["--tune"], "tuned") if args.tuned else ([], "untuned")
        commands = {
            "quick": [programs.tiny_mae, "--quick", "--backend", "wgpu", *tune, "--out", work / "out"],
            "vit": ["sh", "-c", f"echo train-vit-s-16 1 | {programs.worker} wgpu f32 2 {tuned}"],
        }
        found = {name: count(name, command, args.seconds, programs, work, log)
                 for name, command in commands.items() if not args.names or name in args.names}
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
