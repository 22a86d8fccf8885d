# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Free engines of a toy network as cleanup and ~/reload do, again and again, beside busy threads.

`python -m test.torture.frees --rounds 250 --device CPU`; for a GPU without one, `. .venv/gpu/env.sh` first. What it
looks for is a network that hangs when it is freed, one that stays, and a cloud that is lost. Ends with 1 if one was
found, and with 3 and the stacks of all threads where nothing ends for HANG_S.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import NamedTuple, Self

from pointpillars_ov_ros.cli.machine import look_around
from pointpillars_ov_ros.config.runtime_config import DropPolicy, EncoderChoice, Mode, RuntimeConfig
from pointpillars_ov_ros.inference.detector import ReloadableDetector, give_back_memory
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.pipeline.frames import Counts, FrameResult, Stage, StageTimes
from pointpillars_ov_ros.model.bundle import ModelBundle
from test.dds.peers import rss_mb
from test.gpu.toy import toy_cloud
from test.model.float_bundle import save_float_bundle

HANG_S = 300.0
CLOUDS = 3
"""Sent to each engine; some are in flight when it is freed."""
BUSY_THREADS = 3
PATIENCE_S = 10.0
"""For the last networks to go, after the last round."""


class Outcome(NamedTuple):
    """What came of the engines of one way."""

    counts: Counts
    results: int
    errors: list[str]
    """Of the clouds that failed."""
    alive: int
    """Networks that stay after their engine was freed."""
    grown_mb: float
    """Resident memory after the last round less that after a third of them."""
    duration_s: float

    @property
    def lost(self) -> int:
        """Clouds without a result that were not dropped either; closing drops those that wait for a slot."""
        return self.counts.submitted - self.counts.dropped - self.results

    @property
    def passed(self) -> bool:
        """Whether every cloud is accounted for, none failed, and no network stays."""
        return not (self.lost or self.errors or self.alive)


class Load(AbstractContextManager["Load"]):
    """Threads that keep the interpreter busy, and one that ends the process if nobody reports progress for HANG_S."""

    def __init__(self) -> None:
        self._is_over = threading.Event()
        self._progress_s = time.monotonic()

    def progress(self) -> None:
        """Report that something has ended."""
        self._progress_s = time.monotonic()

    def __enter__(self) -> Self:
        for work in (self._watch, *[self._keep_busy] * BUSY_THREADS):
            threading.Thread(target=work, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()

    def _keep_busy(self) -> None:
        while not self._is_over.is_set():
            sum(range(10_000))
            # So that the engines get some of the interpreter, too.
            time.sleep(0.002)

    def _watch(self) -> None:
        while not self._is_over.wait(1.0):
            if time.monotonic() - self._progress_s > HANG_S:
                print(f"nothing has ended for {HANG_S:.0f} s", flush=True)
                faulthandler.dump_traceback()
                os._exit(3)


def runtime_of(number: int, device: str, cache: Path) -> RuntimeConfig:
    """Return the settings of a round: the modes and encoders take turns."""
    return RuntimeConfig(
        rpn_device=device,
        pfe_device=device if device in ("CPU", "GPU") else "CPU",
        encoder=(EncoderChoice.HOST, EncoderChoice.OPENVINO)[number % 2],
        mode=list(Mode)[number % len(Mode)],
        drop_policy=DropPolicy.REPLAY,
        parity_check=False,
        num_threads=1 if device == "CPU" else 0,
        # Compiling for a GPU would take most of the time.
        cache_dir="" if device == "CPU" else str(cache),
    )


def send(detector: ReloadableDetector, number: int) -> None:
    """Send the clouds of a round."""
    for k in range(CLOUDS):
        times = StageTimes.starting(Stage.CONVERT, time.monotonic_ns())
        times.end(Stage.CONVERT, time.monotonic_ns())
        detector.submit(toy_cloud(k), CLOUDS * number + k, times)


class Round(NamedTuple):
    """How engines are opened, and who is told."""

    bundle: ModelBundle
    settings: Callable[[int], RuntimeConfig]
    """Returns those of a round."""
    leaving: Callable[[Engine], None]
    """Called before an engine is freed."""
    on_result: Callable[[FrameResult], None]

    def open_engine(self, number: int) -> Engine:
        """Return a new engine."""
        return Engine(self.bundle, self.settings(number))


def free_by_reload(one: Round, rounds: int) -> Counts:
    """Replace the engine of one detector in every round, as ~/reload does."""
    detector = ReloadableDetector(one.open_engine(0), one.on_result)
    detector.open(one.settings(0))
    for number in range(rounds):
        send(detector, number)
        is_replaced = threading.Event()
        fresh = one.open_engine(number + 1)
        one.leaving(detector.engine)
        detector.replace(fresh, is_replaced.set)
        # Otherwise this name would keep the last engine.
        del fresh
        is_replaced.wait()
    detector.close()
    return detector.counts


def free_by_cleanup(one: Round, rounds: int) -> Counts:
    """Open and close a detector in every round, as configure and cleanup do."""
    counts = Counts()
    for number in range(rounds):
        detector = ReloadableDetector(one.open_engine(number), one.on_result)
        detector.open(one.settings(number))
        send(detector, number)
        one.leaving(detector.engine)
        detector.close()
        counts = counts.plus(*detector.counts)
        del detector
        give_back_memory()
    return counts


WAYS = {"reload": free_by_reload, "cleanup": free_by_cleanup}


def free_engines(way: str, device: str, rounds: int, folder: Path) -> Outcome:
    """Free `rounds` engines."""
    bundle = save_float_bundle(folder / "toy", pooling="maximum")
    networks: list[weakref.ref[object]] = []
    results: list[FrameResult] = []
    sizes_mb: list[float] = []
    begin_s = time.monotonic()
    with Load() as load:

        def note(engine: Engine) -> None:
            networks.append(weakref.ref(engine.rpn))
            sizes_mb.append(rss_mb(os.getpid()))
            load.progress()

        one = Round(bundle, lambda number: runtime_of(number, device, folder / "cache"), note, results.append)
        counts = WAYS[way](one, rounds)
        end_s = time.monotonic() + PATIENCE_S
        while (alive := sum(network() is not None for network in networks)) and time.monotonic() < end_s:
            give_back_memory()
            time.sleep(0.1)
    grown_mb = sizes_mb[-1] - sizes_mb[len(sizes_mb) // 3]
    errors = [result.error for result in results if result.error]
    return Outcome(counts, len(results), errors, alive, grown_mb, time.monotonic() - begin_s)


def main() -> int:
    """Free engines in both ways, and print a Markdown table; 1 if a network stays or a cloud is lost."""
    parser = argparse.ArgumentParser(prog="test.torture.frees", description=__doc__)
    parser.add_argument("--rounds", type=int, default=250, help="engines of each way")
    parser.add_argument("--device", default="CPU", help="rpn_device")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--switch-interval-ms", type=float, default=5.0, help="of the interpreter's threads")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    sys.setswitchinterval(options.switch_interval_ms / 1e3)
    print(f"{look_around('toy network').line()}\n")
    print(
        "| freed by | device | engines | clouds | completed | dropped | failed | lost | networks that stay | MB | s |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|", flush=True)
    passed = True
    for way in options.ways:
        with TemporaryDirectory(prefix="frees_") as folder:
            outcome = free_engines(way, options.device, options.rounds, Path(folder))
        passed &= outcome.passed
        counts = outcome.counts
        clouds = [counts.submitted, counts.completed, counts.dropped, len(outcome.errors), outcome.lost]
        cells = [way, options.device, options.rounds, *clouds, outcome.alive]
        print(f"| {' | '.join(map(str, cells))} | {outcome.grown_mb:.0f} | {outcome.duration_s:.0f} |", flush=True)
        for reason in sorted(set(outcome.errors)):
            print(f"\nfailed: {reason}", flush=True)
    return int(not passed)


if __name__ == "__main__":
    sys.exit(main())
