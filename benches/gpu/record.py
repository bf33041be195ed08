"""The record in Markdown, from what was found."""

TRAIN = "train-vit-s-16"


def markdown(found):
    peaks = found.get("peaks") or {}
    lines = [
        f"# On a GPU, {found['date']}", "",
        f"{found.get('card')} (name, driver, MiB, MHz, W); {found.get('cpu')}; PyTorch {peaks.get('torch')}, CUDA "
        f"{peaks.get('cuda')}, cuDNN {peaks.get('cudnn')}; Vulkan driver {found.get('vulkan_driver')}; commit "
        f"{found['commit']}.", "",
    ]
    if "f32" in peaks:
        lines += [f"Measured peaks by PyTorch: product 8192³ in f32 {peaks['f32']:.0f}, in bf16 {peaks['bf16']:.0f} "
                  f"TFLOP/s; copy {peaks['copy']:.2f} TB/s. TF32 off on both sides.", ""]
    for key, value in found.items():
        if key.startswith("timings"):
            lines += timings(key, value, found)
    lines += conformance(found) + programs(found) + memory(found)
    lines += ["## Steps", ""] + [f"- {name}: {text}" for name, text in found["steps"].items()]
    return "\n".join(lines) + "\n"


def timings(key, rows, found):
    _, backend, dtype = key.split()
    compiled = found.get(f"compiled {dtype}") or {}
    lines = [f"## {backend}, {dtype}, batch 64 unless said", "",
             "| work | ours, ms | PyTorch, ms | ratio | lowest to highest | torch.compile, ms |", "|---|---|---|---|---|---|"]
    for row in rows:
        if "stopped" in row:
            lines.append(f"| {row['title']} | {row['stopped']} | | | | |")
            continue
        other = compiled.get(row["case"], "")
        other = f"{other:.2f}" if isinstance(other, float) else other
        lines.append(f"| {row['title']} | {row['ours_ms']:.3f} | {row['torch_ms']:.3f} | {row['ratio']:.2f} "
                     f"| {row['lowest']:.2f} to {row['highest']:.2f} | {other} |")
    peak = (found.get("peaks") or {}).get(dtype)
    train = next((row for row in rows if row["case"] == TRAIN and "ours_ms" in row), None)
    if peak and train:
        from run import FLOPS
        ours, theirs = (100 * FLOPS / (train[side] / 1e3) / 1e12 / peak for side in ("ours_ms", "torch_ms"))
        lines += ["", f"The training step of ViT-S/16 is {FLOPS / 1e12:.2f} TFLOP of products: {ours:.0f} % of the "
                  f"measured peak in {dtype}, PyTorch's {theirs:.0f} %."]
    return lines + [""]


def conformance(found):
    lines = ["## Conformance", "", "| what | subjects | largest difference, values and gradients | outcome |",
             "|---|---|---|---|"]
    apart = []
    for key, value in found.items():
        if not key.startswith("conformance"):
            continue
        largest = value["largest"]
        outcome = ", ".join(sorted(set(value["outcome"])))
        lines.append(f"| {key.split(' ', 1)[1]} ({value['backends']}) | {value['subjects']} "
                     f"| {largest['values']}, {largest['gradients']} | {outcome}, {value['seconds']:.0f} s |")
        apart += value["apart"]
    return lines + [""] + [f"- {line.strip()}" for line in apart] + [""]


def programs(found):
    lines = ["## tiny-mae", "",
             "| run | accuracy fine-tuned, from scratch | images/s: all, MAE, ViT | first epoch after | all | outcome |",
             "|---|---|---|---|---|---|"]
    for key, value in found.items():
        if key.startswith("tiny-mae"):
            accuracy = f"{value['test_accuracy_finetuned']}, {value['test_accuracy_scratch']}"
            speed = ", ".join(f"{value[name] or 0:.0f}" for name in (
                "images_per_second", "mae_images_per_second", "vit_images_per_second"))
            first = value["first_epoch"]
            first = "never" if first is None else f"{first:.1f} s"
            lines.append(f"| {key[9:]} | {accuracy} | {speed} | {first} | {value['seconds']:.1f} s | {value['outcome']} |")
    return lines + [""]


def memory(found):
    if "memory" not in found:
        return []
    parts = ", ".join(f"{name} {value}" for name, value in found["memory"].items())
    return ["## Memory", "", f"The card's memory in use while ViT-S/16 trains, MiB above what was in use before: {parts}.", ""]
