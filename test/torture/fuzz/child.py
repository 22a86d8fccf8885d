# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A process that feeds one target with what atheris makes up, under limits of time and memory.

Whatever it finds is a line in a file of findings, and it goes on; where it dies, its state says on which input.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import mmap
import os
import re
import resource
import signal
import struct
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

PACKAGE = "pointpillars_ov_ros"
HANG_S = 1.0
"""Of the processor, so that a busy machine makes no findings."""
GROWTH, ADDRESSES = 192 * 2**20, 1024 * 2**20
"""Bytes that one input may add to the memory in use, and to what is reserved."""
LONGEST = 4096
STATE = struct.Struct("<QQdI")
"""Inputs done, inputs begun, s of the processor, length of the present input, which follows."""


_OURS = re.compile(rf"/{PACKAGE}/(core|inference|kitti|model|nodes|synthetic|tools)/|/fuzz/")


class Hang(BaseException):
    """An input took longer than `HANG_S`."""


class State:
    """Where the child is, in a file that outlives it."""

    def __init__(self, path: Path) -> None:
        """Open the file, or begin it."""
        if not path.exists():
            path.write_bytes(bytes(STATE.size + LONGEST))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), STATE.size + LONGEST)
        self.done, self.begun, self.work_s, _ = STATE.unpack_from(self._memory)

    def begin(self, data: bytes) -> None:
        """Note an input."""
        self.begun += 1
        STATE.pack_into(self._memory, 0, self.done, self.begun, self.work_s, len(data))
        self._memory[STATE.size : STATE.size + len(data)] = data

    def end(self, work_s: float) -> None:
        """Note that it is done, and what all of them took of the processor since the one before."""
        self.done, self.work_s = self.begun, self.work_s + work_s
        STATE.pack_into(self._memory, 0, self.done, self.begun, self.work_s, 0)

    def read(self) -> tuple[int, int, float, bytes]:
        """Give the inputs done and begun, s of the processor, and the present input."""
        done, begun, work_s, length = STATE.unpack_from(self._memory)
        return done, begun, work_s, self._memory[STATE.size : STATE.size + length]


def pure_modules() -> tuple[list[str], list[str]]:
    """Give the modules to be watched for coverage, and those not to be: with kernels that Numba compiles."""
    root = Path(__file__).parents[3] / PACKAGE
    names: dict[bool, list[str]] = {False: [], True: []}
    for path in sorted(root.rglob("*.py")):
        name = ".".join(path.relative_to(root.parent).with_suffix("").parts).removesuffix(".__init__")
        names["njit" in path.read_text(encoding="utf-8")].append(name)
    return [
        f"{PACKAGE}.{part}" for part in ("core", "inference", "kitti", "model", "nodes", "synthetic", "tools")
    ], names[True]


_STATUS = os.open("/proc/self/status", os.O_RDONLY)


def most_memory() -> int:
    """Give the most that ever was in use (bytes); `getrusage` would count that of the process that started this one."""
    return int(os.pread(_STATUS, 4096, 0).partition(b"VmHWM:")[2].split()[0]) * 1024


class Feeder:
    """Feeds a target and notes what it does that it must not."""

    def __init__(self, feed: Callable[[bytes], None], state: State, findings: Path) -> None:
        """`feed` raises whatever is a finding."""
        self._feed, self._state, self._findings = feed, state, findings
        lines = findings.read_text(encoding="utf-8").splitlines() if findings.exists() else []
        self._known = {(found["what"], found["where"]) for found in map(json.loads, lines)}
        self._most, self._clock_s = most_memory(), time.process_time()

    def limit(self) -> None:
        """Take what is in use now for what is needed."""
        # OpenVINO, Numba and DDS reserve far more than they use.
        reserved = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * mmap.PAGESIZE
        self._most = most_memory()
        resource.setrlimit(resource.RLIMIT_AS, (reserved + ADDRESSES, resource.RLIM_INFINITY))
        self._clock_s = time.process_time()
        signal.signal(signal.SIGPROF, self._on_alarm)

    def __call__(self, data: bytes) -> None:
        """Feed one input."""
        data = bytes(data[:LONGEST])
        self._state.begin(data)
        signal.setitimer(signal.ITIMER_PROF, HANG_S)
        try:
            self._feed(data)
        except (Exception, Hang) as error:
            signal.setitimer(signal.ITIMER_PROF, 0)
            self._note(error, data)
        signal.setitimer(signal.ITIMER_PROF, 0)
        most = most_memory()
        if most > self._most + GROWTH:
            self._note(MemoryError(f"one input took {(most - self._most) / 2**20:.0f} MB"), data)
        self._most = max(self._most, most)
        # All since the last one: what the fuzzer takes to make inputs up, too.
        before, self._clock_s = self._clock_s, time.process_time()
        self._state.end(self._clock_s - before)

    def _on_alarm(self, *_ignored: Any) -> None:
        raise Hang(f"longer than {HANG_S:g} s of the processor")

    def _note(self, error: BaseException, data: bytes) -> None:
        """Write a finding down, once for each place in the package."""
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _OURS.search(frame.filename)]
        where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[:-4:-1]) or "?"
        key = type(error).__name__, where
        if key in self._known:
            return
        self._known.add(key)
        entry = {"what": type(error).__name__, "where": where, "says": str(error)[:300], "input": data.hex(),
                 "name": hashlib.sha256(data).hexdigest()[:12]}  # fmt: skip
        with self._findings.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def main() -> None:
    """Feed the target that the arguments name until enough inputs were fed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("folder", type=Path)
    parser.add_argument("inputs", type=int)
    parser.add_argument("seed", type=int)
    options = parser.parse_args()
    import atheris

    watched, compiled = pure_modules()
    with atheris.instrument_imports(include=watched, exclude=compiled):
        from test.torture.fuzz.targets import TARGETS, run
    import numpy as np

    target = TARGETS[options.target]
    feeder = Feeder(lambda data: run(target, data), State(options.folder / "state"), options.folder / "findings.jsonl")
    warnings.simplefilter("error")
    corpus = options.folder / "corpus"
    corpus.mkdir(exist_ok=True)
    for seed in target.seeds():
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed[:LONGEST])
    # Before the limits: what Numba compiles, and what is imported late, is no finding.
    for data in TARGETS["cloud_bytes"].seeds():
        with suppress(Exception):
            run(TARGETS["cloud_bytes"], data)
    for path in sorted(corpus.iterdir())[:8]:
        with suppress(Exception):
            run(target, path.read_bytes())
    feeder.limit()
    # Time and memory are limited here, not by the fuzzer, which would end at the first finding.
    flags = [
        *(f"-runs={options.inputs}", f"-seed={options.seed}", f"-max_len={LONGEST}", "-len_control=10"),
        *("-timeout=600", "-rss_limit_mb=0", f"-artifact_prefix={options.folder}/"),
    ]
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        atheris.Setup([sys.argv[0], *flags, str(corpus)], feeder)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
