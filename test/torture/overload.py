# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clouds come faster than the detector can process them."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from pointpillars_ov_ros.config.runtime_config import Mode
from pointpillars_ov_ros.inference.pipeline.scheduler import SCHEDULES
from pointpillars_ov_ros.ros.timing_message import AMISS
from test.torture.account import Account
from test.torture.arena import DETECTOR, DIAGNOSTICS, Arena
from test.torture.clouds import simulated_clouds
from test.torture.journal import read_journal
from test.torture.process_watch import Reading, growth_mb
from test.torture.scenario import Scenario, scenario

SCENARIOS: list[Scenario] = []

OK, WARN = 0, 1
_LOADS = (0.5, 1, 2, 5, 0.5)
"""Loads relative to the detector's capacity; the last one is the recovery."""
_PART_S = 20.0
_ADVICE = "faster than they are processed"
_MOST_GROWTH_MB = 15.0
_FAULT = "live, mode {}: clouds at 0.5, 1, 2 and 5 times what the detector can do, {:.0f} s each, and 0.5 times again"
_EXPECTED = (
    "p99 of sending to detections <= (frames in flight + 1) x the service time (p90 of each part) + one period of the "
    "sender; memory flat; every cloud without detections counted; diagnostics WARN with what to do, then OK"
)


@dataclass(frozen=True)
class Run:
    """Outcome of a schedule."""

    account: Account
    parts: list[tuple[int, int]]
    """Begin and end of each part of the schedule (ns)."""
    readings: list[Reading]
    """Readings of the detector, every half second."""
    log: str
    """The detector's."""

    def describe(self) -> str:
        """Return the account."""
        account, last = self.account, self.account.timings[-1]
        counted = ", ".join(f"{last[name]} {name}" for name in AMISS if last[name])
        answered = f"{len(account.detections)} detected + {account.counted()} counted"
        return f"{len(account.sent)} sent = {answered} ({counted})"


@scenario(SCENARIOS, _FAULT.format("latency", _PART_S), _EXPECTED)
def overloaded_latency(folder: Path) -> str:
    return overload(folder, Mode.LATENCY)


@scenario(SCENARIOS, _FAULT.format("balanced", _PART_S), _EXPECTED)
def overloaded_balanced(folder: Path) -> str:
    return overload(folder, Mode.BALANCED)


@scenario(SCENARIOS, _FAULT.format("throughput", _PART_S), _EXPECTED)
def overloaded_throughput(folder: Path) -> str:
    return overload(folder, Mode.THROUGHPUT)


@scenario(
    SCENARIOS,
    "replay: a reliable sender that would send 100 clouds/s, and holds back while 8 are not reported on /timing",
    "all detected, in order, at the rate that the detector can do; nothing dropped or lost",
)
def replay_slows_the_sender(folder: Path, count: int = 200) -> str:
    folder.mkdir(parents=True)
    account = replay(folder / "run", simulated_clouds(folder, 3), count)
    assert not account.disorder(), account.disorder()
    assert account.answered == account.sent, f"{len(account.missing())} of {len(account.sent)} have no detections"
    assert account.counted() == 0, f"{account.counted()} are counted as amiss"
    return f"{count} of {count} detected in order; the sender was slowed from 100 to {1 / service_s(account):.1f} Hz"


@scenario(
    SCENARIOS,
    "replay: a reliable sender that does not hold back sends 100 clouds/s, more than the queue of 32 takes",
    "the clouds that the queue could not keep are counted as lost, exactly, and diagnostics say so; order is kept",
)
def replay_without_holding_back(folder: Path, count: int = 200) -> str:
    folder.mkdir(parents=True)
    clouds = simulated_clouds(folder, 3)
    with Arena(folder / "run") as arena:
        _start(arena, clouds[0], drop_policy="replay")
        arena.start_sender(clouds, f"100:{count / 100},1:3", "--reliable")
        _wait_for_the_last(arena)
        account = arena.account()
        _check_account(account)
        assert account.missing(), "the queue kept them all: this has shown nothing"
        last = account.timings[-1]
        assert last["lost"] == len(account.missing()), f"{last['lost']} lost, {len(account.missing())} missing"
        arena.wait_until(lambda: _says(arena.account(), WARN, "lost"), "a WARN that clouds were lost")
    return f"{len(account.sent)} sent, {len(account.detections)} detected, {last['lost']} counted as lost"


def replay(folder: Path, clouds: list[Path], count: int, mode: Mode = Mode.LATENCY) -> Account:
    """Let `count` clouds be sent as fast as the detector takes them."""
    with Arena(folder) as arena:
        _start(arena, clouds[0], drop_policy="replay", mode=mode.value)
        arena.start_sender(clouds, f"100:{count / 100}", "--reliable", "--depth", "10", "--outstanding", "8")
        _wait_for_the_last(arena)
        return arena.account()


def service_s(account: Account) -> float:
    """Return the time between two detections (s) with a permanent backlog, from the 10th on."""
    at_ns = [line["at_ns"] for line in account.detections[10:]]
    return (at_ns[-1] - at_ns[0]) / (len(at_ns) - 1) / 1e9


def overload(folder: Path, mode: Mode) -> str:
    """Measure the service time, then play it."""
    folder.mkdir(parents=True)
    clouds = simulated_clouds(folder, 3)
    service = service_s(replay(folder / "replay", clouds, 100, mode))
    run = play(folder / "live", clouds, [(load / service, _PART_S) for load in _LOADS], mode=mode.value)
    slots = slots_of(run.log, mode)
    ages = _check_ages(run, service, slots)
    grown_mb = growth_mb(run.readings, run.parts[1][0] / 1e9)
    assert grown_mb < _MOST_GROWTH_MB, f"memory grew by {grown_mb:.0f} MB"
    return (
        f"service time {service * 1e3:.0f} ms, frames in flight {slots}; ages p50, p99, max: {ages}; "
        f"memory {grown_mb:+.1f} MB; {run.describe()}; WARN, then OK"
    )


def play(folder: Path, clouds: list[Path], schedule: list[tuple[float, float]], **parameters: object) -> Run:
    """Send clouds at these rates (Hz), each for so long (s), the last the recovery; check accounts and diagnostics."""
    readings: list[Reading] = []
    with Arena(folder) as arena:
        _start(arena, clouds[0], **parameters)
        arena.start_sender(clouds, ",".join(f"{rate_hz:.3f}:{part_s}" for rate_hz, part_s in schedule))
        _wait_for_the_last(arena, readings)
        lines = [line for line in read_journal(arena.journal("sender")) if line["kind"] in ("part", "end")]
        parts = list(pairwise(line["at_ns"] for line in lines))
        arena.wait_until(lambda: _says(arena.account(), OK, "", parts[-1][0]), "an OK after the recovery")
        run = Run(arena.account(), parts, readings, arena.log_of())
    _check_account(run.account)
    assert _says(run.account, WARN, _ADVICE), "no WARN that says what to do"
    return run


def _start(arena: Arena, cloud: Path, **parameters: object) -> None:
    arena.start_checker()
    arena.nodes.start(DETECTOR, parameters)
    # The last report stays what it was when the sender has ended.
    arena.nodes.start(DIAGNOSTICS, {"stale_after": 600.0, "recovery": 2})
    arena.wait_until(lambda: bool(arena.account().diagnostics), "diagnostics")
    arena.connect(cloud)


def _wait_for_the_last(arena: Arena, readings: list[Reading] | None = None) -> None:
    """Wait until the last cloud sent has its detections, which it always has: nothing newer overwrites it."""

    def is_through() -> bool:
        arena.nodes.check()
        if readings is not None and (not readings or time.time() - readings[-1].at_s > 0.5):
            readings.append(arena.look_at())
        if not arena.has_ended("sender"):
            return False
        account = arena.account()
        return account.sent[-1] in account.answered

    arena.wait_until(is_through, "the detections of the last cloud", patience_s=900.0)


def _check_account(account: Account) -> None:
    assert not account.disorder(), account.disorder()
    missing, counted = account.missing(), account.counted()
    # On a busy machine the detector's subscription is matched later than the sender sees it. It never receives the
    # first clouds then, and cannot count them; seen: 4 of 887, and exactly 883 counted.
    early = sum(stamp < account.answered[0] for stamp in missing)
    said = f"{len(missing)} of {len(account.sent)} clouds have no detections, {early} of them before the first ones"
    assert len(missing) - early <= counted <= len(missing), f"{said}; {counted} are counted"


def _says(account: Account, level: int, text: str, after_ns: int = 0) -> bool:
    """Whether diagnostics had that level and text once; an empty text matches any."""
    return any(
        at_ns > after_ns and found == level and text in message for at_ns, found, message in account.levels("clouds")
    )


def slots_of(log: str, mode: Mode) -> int:
    """Return the number of frames in flight in a mode, as settled with the device."""
    at_once = re.findall(r"RPN as compiled: .*OPTIMAL_NUMBER_OF_INFER_REQUESTS (\d+)", log)
    return SCHEDULES[mode].slots_for(int(at_once[-1]))


def _check_ages(run: Run, service: float, slots: int) -> str:
    """Compare the ages of each part with the bound; describe them."""
    found: list[str] = []
    pace = service
    for load, (begin_ns, end_ns) in zip(_LOADS, run.parts, strict=True):
        ages_ms = run.account.ages_ms(begin_ns, end_ns)
        p50, p99, most = np.percentile(ages_ms, (50, 99, 100))
        if load >= 1:
            # What else runs on the machine may slow the detector down meanwhile: while it has enough to do, it tells.
            at_ns = [line["at_ns"] for line in run.account.detections if begin_ns <= line["at_ns"] < end_ns]
            pace = max(service, float(np.percentile(np.diff(at_ns), 90)) / 1e9)
        bound_ms = ((slots + 1) * pace + service / load) * 1e3
        found.append(f"{p50:.0f}, {p99:.0f}, {most:.0f} ms at {load:g} x")
        assert p99 <= bound_ms, f"p99 of the age is {p99:.0f} ms at {load:g} x, above {bound_ms:.0f} ms; {found}"
    return "; ".join(found)
