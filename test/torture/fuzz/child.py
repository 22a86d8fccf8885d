# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Child process that feeds one target with inputs made by atheris, under limits of time and memory.

Every finding is a line in a file of findings, and it continues; if it dies, its state names the input.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import re
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

PACKAGE = "pointpillars_ov_ros"
HANG_S = 1.0
"""CPU time, so that a busy machine causes no findings."""
GROWTH, ADDRESSES = 192 * 2**20, 1024 * 2**20
"""Bytes that one input may add to the memory in use, and to what is reserved."""
LONGEST = 4096
STATE = struct.Struct("<QQdI")
"""Inputs done, inputs begun, s of the processor, length of the present input, which follows."""


_OURS = re.compile(rf"/{PACKAGE}/|/fuzz/")


class Hang(BaseException):
    """An input took longer than `HANG_S`."""


class State:
    """Progress of the child, in a file that outlives it."""

    def __init__(self, path: Path) -> None:
        """Open the file, or begin it."""
        if not path.exists():
            path.write_bytes(bytes(STATE.size + LONGEST))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), STATE.size + LONGEST)
        self.done, self.begun, self.work_s, _ = STATE.unpack_from(self._memory)

    def begin(self, data: bytes) -> None:
        """Record an input."""
        self.begun += 1
        STATE.pack_into(self._memory, 0, self.done, self.begun, self.work_s, len(data))
        self._memory[STATE.size : STATE.size + len(data)] = data

    def end(self, work_s: float) -> None:
        """Record that it is done, and the CPU time of all of them since the one before."""
        self.done, self.work_s = self.begun, self.work_s + work_s
        STATE.pack_into(self._memory, 0, self.done, self.begun, self.work_s, 0)

    def read(self) -> tuple[int, int, float, bytes]:
        """Return the numbers of inputs done and begun, the CPU time (s), and the current input."""
        done, begun, work_s, length = STATE.unpack_from(self._memory)
        return done, begun, work_s, self._memory[STATE.size : STATE.size + length]


class Feeder:
    """Feeds a target and notes what it does that it must not."""

    def __init__(self, feed: Callable[[bytes], None], state: State, findings: Path) -> None:
        """`feed` raises whatever is a finding."""
        self._feed, self._state, self._findings = feed, state, findings
        lines = findings.read_text(encoding="utf-8").splitlines() if findings.exists() else []
        self._known = {(found["what"], found["where"]) for found in map(json.loads, lines)}
        # Of this process, and kept open: it is read after every input.
        self._status = os.open("/proc/self/status", os.O_RDONLY)
        self._most, self._clock_s = self._most_memory(), time.process_time()

    def limit(self) -> None:
        """Allow for the memory currently in use."""
        # OpenVINO, Numba and DDS reserve far more than they use.
        reserved = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * mmap.PAGESIZE
        self._most = self._most_memory()
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
        most = self._most_memory()
        if most > self._most + GROWTH:
            self._note(MemoryError(f"one input took {(most - self._most) / 2**20:.0f} MB"), data)
        self._most = max(self._most, most)
        # All since the last one: what the fuzzer takes to make inputs up, too.
        before, self._clock_s = self._clock_s, time.process_time()
        self._state.end(self._clock_s - before)

    def _most_memory(self) -> int:
        """Return the most that ever was in use (bytes); `getrusage` would count that of the process before this one."""
        return int(os.pread(self._status, 4096, 0).partition(b"VmHWM:")[2].split()[0]) * 1024

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


def feed_target(name: str, folder: Path, inputs: int, seed: int, log: Path) -> None:
    """Feed the target `name` until enough inputs were fed; what is said goes to `log`. Ends the process."""
    with log.open("wb") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    # So that what a child that dies has left goes with the folder.
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    import atheris
    import numpy as np

    from test.torture.fuzz.nursery import TARGETS, run

    target = TARGETS[name]
    feeder = Feeder(lambda data: run(target, data), State(folder / "state"), folder / "findings.jsonl")
    warnings.simplefilter("error")
    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    for start in target.seeds():
        (corpus / hashlib.sha256(start).hexdigest()[:16]).write_bytes(start[:LONGEST])
    # Before the limits: what this target alone imports late.
    for path in sorted(corpus.iterdir())[:8]:
        with suppress(Exception):
            run(target, path.read_bytes())
    feeder.limit()
    # Time and memory are limited here, not by the fuzzer, which would end at the first finding.
    flags = [
        *(f"-runs={inputs}", f"-seed={seed}", f"-max_len={LONGEST}", "-len_control=10"),
        *("-timeout=600", "-rss_limit_mb=0", f"-artifact_prefix={folder}/"),
    ]
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        atheris.Setup([sys.argv[0], *flags, str(corpus)], feeder)
        atheris.Fuzz()
