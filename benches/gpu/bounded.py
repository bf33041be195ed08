"""Processes that end in time."""

import os
import pathlib
import queue
import re
import signal
import subprocess
import threading
import time


class Late(Exception):
    """A step took longer than it may."""


class Ended(Exception):
    """A program ended on its own, which it should not have."""


class Log:
    """What the programs print goes here."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-8")
        self.lock = threading.Lock()

    def write(self, text):
        with self.lock:
            self.file.write(text)
            self.file.flush()


def stop(process):
    """With all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def spawn(command, env, **pipes):
    command = [str(part) for part in command]
    return subprocess.Popen(
        command, env={**os.environ, **env}, start_new_session=True, text=True, errors="replace", **pipes)


class Run:
    """A program's output with the second at which each line came; it is stopped after `seconds`."""

    def __init__(self, command, seconds, log, env=None, cwd=None):
        self.command = command
        log.write(f"\n$ {' '.join(str(part) for part in command)}\n")
        start = time.monotonic()
        process = spawn(command, env or {}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=cwd)
        timer = threading.Timer(seconds, stop, [process])
        timer.start()
        self.lines = []
        for line in process.stdout:
            self.lines.append((time.monotonic() - start, line.rstrip("\n")))
            log.write(line)
        process.wait()
        timer.cancel()
        self.seconds = time.monotonic() - start
        self.late = process.returncode == -signal.SIGKILL and self.seconds >= seconds - 0.5
        self.code = process.returncode

    def ok(self):
        return self.code == 0

    def text(self):
        return "\n".join(line for _, line in self.lines)

    def first(self, pattern):
        """When the first line came that has the pattern, in seconds."""
        return next((at for at, line in self.lines if re.search(pattern, line)), None)

    def outcome(self):
        if self.late:
            return f"stopped after {self.seconds:.0f} s"
        return "ok" if self.ok() else f"failed with {self.code}"


class Worker:
    """A process that measures one case after the other."""

    def __init__(self, name, command, env, log):
        self.name, self.log = name, log
        log.write(f"\n$ {' '.join(str(part) for part in command)}\n")
        self.process = spawn(
            command, env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.answers = queue.Queue()
        for stream, take in ((self.process.stdout, self.answers.put), (self.process.stderr, log.write)):
            threading.Thread(target=self.read, args=(stream, take), daemon=True).start()

    def read(self, stream, take):
        for line in stream:
            take(line)
        if stream is self.process.stdout:
            self.answers.put(None)

    def measure(self, case, iterations, seconds):
        """The median milliseconds of an iteration."""
        try:
            self.process.stdin.write(f"{case} {iterations}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Ended(self.name) from None
        deadline = time.monotonic() + seconds
        while True:
            try:
                answer = self.answers.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                self.stop()
                raise Late(f"{self.name}: no answer to {case} in {seconds:.0f} s") from None
            if answer is None:
                raise Ended(f"{self.name} ended at {case}")
            if re.fullmatch(r"[0-9.eE+-]+", answer.strip()):
                return float(answer)
            self.log.write(answer)

    def stop(self):
        stop(self.process)


class MemoryWatch:
    """The most memory that the card had in use, above what it had before, in MiB."""

    def __init__(self):
        self.before = self.peak = used_memory()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self):
        while not self.done.wait(0.1):
            self.peak = max(self.peak, used_memory())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def used(self):
        return self.peak - self.before


def used_memory():
    return int(query("memory.used") or 0)


def query(fields):
    """What nvidia-smi says of the first card, or nothing."""
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    lines = run.stdout.strip().splitlines()
    return lines[0].strip() if run.returncode == 0 and lines else None


def cpu():
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown CPU")
    return f"{name}, {os.cpu_count()} cores"
