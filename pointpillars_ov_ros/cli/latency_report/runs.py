# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Timing messages of a detector in the order of arrival, and the figures derived from them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.cli.tables import PERCENTILES, summarize
from pointpillars_ov_ros.ros.timing_message import AMISS, FrameTiming, counts_anew

STAGES = ("convert", "queue", "pillars", "pfe", "scatter", "rpn", "decode")
"""Stages of a frame, in order; `queue` is waiting, all others are work."""
ACCOUNTS = ("completed", *AMISS)
_SETTINGS = ("mode", "pfe_device", "pfe_precision", "rpn_device", "rpn_precision", "parity")
_BINS, _FRAMES_IN_BIN = 60, 10
_SANE_AGE_MS = 3.6e6
"""Ages beyond an hour, or negative ones, come from another clock: an old bag, a driver without the time."""


@dataclass(frozen=True)
class TimedMessage:
    """A timing message, and its time of arrival (s after the first one)."""

    at_s: float
    timing: FrameTiming


@dataclass(frozen=True)
class LatencyRun:
    """Messages received from one detector, at least one."""

    title: str
    heard: tuple[TimedMessage, ...]
    rejected: str = ""
    """Description of other messages on the topic, which are ignored; empty: none."""

    @property
    def done(self) -> list[TimedMessage]:
        """Clouds that were processed."""
        return [each for each in self.heard if not each.timing.error]

    @property
    def duration_s(self) -> float:
        """Time from the first message to the last."""
        return self.heard[-1].at_s - self.heard[0].at_s

    @property
    def rate(self) -> float:
        """Processed clouds per second; 0 with fewer than two."""
        times = [each.at_s for each in self.done]
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 0.0

    def values(self, name: str) -> np.ndarray:
        """Return the durations `name` (total, age, host or a stage) of the processed clouds (ms)."""
        return np.array([getattr(each.timing, f"{name}_ms") for each in self.done])

    @property
    def has_age(self) -> bool:
        """Whether the stamps of the clouds come from the detector's clock."""
        ages = self.values("age")
        return bool(len(ages) and (ages >= 0).all() and (ages < _SANE_AGE_MS).all())


class RunEvent(NamedTuple):
    """A change during the run."""

    at_s: float
    text: str


def percentiles_over_time(run: LatencyRun, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return times (K,) in the middle of K equal parts of the run, and `PERCENTILES` of each (K, 4)."""
    times = np.array([each.at_s for each in run.done])
    values = run.values(name)
    count = min(_BINS, max(1, len(times) // _FRAMES_IN_BIN))
    edges = np.linspace(run.heard[0].at_s, run.heard[-1].at_s, count + 1)
    owners = np.clip(np.searchsorted(edges, times, side="right") - 1, 0, count - 1)
    used = [part for part in range(count) if (owners == part).any()]
    middles = (edges[:-1] + edges[1:]) / 2
    rows = [list(summarize(values[owners == part].tolist()).values()) for part in used]
    return middles[used], np.array(rows).reshape(-1, len(PERCENTILES))


def budget(run: LatencyRun) -> dict[str, float]:
    """Return the mean time (ms) that a cloud spent before reception, in each stage, and in between.

    Means, since these add up to the mean of the whole.
    """
    parts = {name: float(run.values(name).mean()) for name in STAGES}
    parts["in between"] = float(run.values("total").mean()) - sum(parts.values())
    if not run.has_age:
        return parts
    before = float((run.values("age") - run.values("total")).mean())
    return {"stamp to reception": before, **parts}


def added(run: LatencyRun) -> list[tuple[float, dict[str, int]]]:
    """Return the increase of each of `ACCOUNTS` from one message to the next, with the time of the latter.

    Nothing is known about the time before the first message, but its own cloud counts. If the detector was restarted in
    between, all its counts are new.
    """
    first = run.heard[0]
    fate = "failed" if first.timing.is_failure else "refused" if first.timing.error else "completed"
    steps = [(first.at_s, {name: int(name == fate) for name in ACCOUNTS})]
    for before, after in pairwise(run.heard):
        old, new = before.timing, after.timing
        if counts_anew(old, new):
            old = FrameTiming()
        steps.append((after.at_s, {name: getattr(new, name) - getattr(old, name) for name in ACCOUNTS}))
    return steps


def accounts(run: LatencyRun) -> dict[str, int]:
    """Return the outcomes of the clouds during the run, including that of the first message."""
    return {name: sum(step[name] for _, step in added(run)) for name in ACCOUNTS}


def describe(run: LatencyRun) -> str:
    """Return the mode and the devices of the last processed cloud; empty if none was processed."""
    if not run.done:
        return ""
    last = run.done[-1].timing
    networks = [(last.pfe_device, last.pfe_precision), (last.rpn_device, last.rpn_precision)]
    pfe, rpn = (" in ".join(filter(None, pair)) or "unknown" for pair in networks)
    return f"mode {last.mode or 'unknown'}, PFE on {pfe}, RPN on {rpn}"


def events(run: LatencyRun) -> list[RunEvent]:
    """List the changes: settings, devices, restarts of the detector, inferences that hang, first errors."""
    found = []
    for before, after in pairwise(run.heard):
        old, new = before.timing, after.timing
        if counts_anew(old, new):
            found.append(RunEvent(after.at_s, "detector restarted"))
        for name in _SETTINGS:
            was, became = getattr(old, name), getattr(new, name)
            # Clouds refused before the first frame have no device.
            if was and became and was != became:
                found.append(RunEvent(after.at_s, f"{name} from {was} to {became}"))
        if new.hung > old.hung:
            found.append(RunEvent(after.at_s, f"inferences that hang: {new.hung}"))
    said: set[str] = set()
    for each in run.heard:
        if each.timing.error and each.timing.error not in said:
            said.add(each.timing.error)
            found.append(RunEvent(each.at_s, each.timing.error))
    return sorted(found, key=lambda event: event.at_s)
