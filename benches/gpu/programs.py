"""The programs that are measured: from a bundle that scripts/gpu-bundle made, or built here."""

import ctypes.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUNDLE = ROOT / "gpu-bundle"
# What NVIDIA's driver calls its description for Vulkan's loader, where it is not in the usual places.
DRIVER_FILES = ["/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json", "/usr/share/vulkan/icd.d/nvidia_icd.json",
                "/etc/vulkan/icd.d/nvidia_icd.json", "/usr/local/nvidia/vulkan/icd.d/nvidia_icd.json"]


class Programs:
    def __init__(self, work, folder=None):
        """Those in `folder`, if one is named."""
        if folder is not None:
            self.folder, self.facts = folder.resolve(), {"commit": commit(), "torch": None}
        elif list(BUNDLE.glob("bundle-*.tar.zst")):
            self.folder, self.facts = unpack(work), json.loads((BUNDLE / "bundle.json").read_text())
        else:
            self.folder, self.facts = build(), {"commit": commit(), "torch": None}
        self.worker, self.tiny_mae = self.folder / "compare-worker", self.folder / "tiny-mae"
        self.suite = self.folder / "suite"
        libraries = [str(self.folder / "lib"), *torch_libraries()]
        self.env = {"LD_LIBRARY_PATH": ":".join(libraries + [os.environ.get("LD_LIBRARY_PATH", "")]).rstrip(":")}
        self.vulkan = vulkan(work)
        self.env |= self.vulkan["env"]


def unpack(work):
    """Programs share most of their code; so those of a part are packed together. A part may be absent."""
    folder = work / "bundle"
    folder.mkdir()
    for part in sorted(BUNDLE.glob("bundle-*.tar.zst")):
        command, env = [BUNDLE / "zstd", "-dc", "--long=31", part], {"LD_LIBRARY_PATH": str(BUNDLE)}
        if shutil.which("zstd"):
            command, env = ["zstd", *command[1:]], None
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=env) as packed:
            with tarfile.open(fileobj=packed.stdout, mode="r|") as archive:
                archive.extractall(folder)
    return folder


def build():
    command = ["cargo", "build", "--release", "--message-format=json-render-diagnostics", "-p", "tiny-mae",
               "-p", "burn-patch-bench", "-p", "burn-patch-tests", "--bins", "--test", "suite", "--features",
               "tiny-mae/tch,tiny-mae/wgpu,burn-patch-bench/tch,burn-patch-bench/wgpu,burn-patch-tests/tch"]
    built = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="burn-patch-"))
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable"):
            (folder / message["target"]["name"]).symlink_to(message["executable"])
    return folder


def commit():
    run = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return run.stdout.strip()


def torch_libraries():
    """Where the machine's PyTorch has LibTorch, without importing it."""
    script = "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    return [run.stdout.strip() + "/lib"] if run.returncode == 0 else []


def vulkan(work):
    """How Vulkan's loader finds the driver, and what is missing."""
    if "VK_DRIVER_FILES" in os.environ:
        return {"driver": os.environ["VK_DRIVER_FILES"], "env": {}}
    found = next((path for path in DRIVER_FILES if pathlib.Path(path).exists()), None)
    if found is None and ctypes.util.find_library("GLX_nvidia"):
        found = str(work / "nvidia_icd.json")
        driver = {"library_path": "libGLX_nvidia.so.0", "api_version": "1.3.0"}
        pathlib.Path(found).write_text(json.dumps({"file_format_version": "1.0.0", "ICD": driver}))
    return {"driver": found, "env": {"VK_DRIVER_FILES": found} if found else {}}
