# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Timing messages of a detector in the order in which they came, and what can be read out of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from pointpillars_ov_ros.cli.tables import PERCENTILES, summarize
from pointpillars_ov_ros.ros.timing_message import AMISS, FrameTiming, counts_anew

STAGES = ("convert", "queue", "pillars", "pfe", "scatter", "rpn", "decode")
"""In the order of a frame; `queue` is waiting, all others are work."""
ACCOUNTS = ("completed", *AMISS)
_SETTINGS = ("mode", "pfe_device", "pfe_precision", "rpn_device", "rpn_precision", "parity")
_BINS, _FRAMES_IN_BIN = 60, 10
_SANE_AGE_MS = 3.6e6
"""Ages beyond an hour, or below nothing, are of stamps of another clock: an old bag, a driver without the time."""


@dataclass(frozen=True)
class TimedMessage:
    """A timing message, and when it was heard (s after the first one)."""

    at_s: float
    timing: FrameTiming


@dataclass(frozen=True)
class LatencyRun:
    """What was heard of one detector, at least one message."""

    title: str
    heard: tuple[TimedMessage, ...]
    rejected: str = ""
    """What else came on the topic and is left out, in words; empty: nothing."""

    @property
    def done(self) -> list[TimedMessage]:
        """Give the clouds that were processed."""
        return [each for each in self.heard if not each.timing.error]

    @property
    def duration_s(self) -> float:
        """Give the time from the first message to the last."""
        return self.heard[-1].at_s - self.heard[0].at_s

    @property
    def rate(self) -> float:
        """Give processed clouds a second; 0 where there are not two."""
        times = [each.at_s for each in self.done]
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 0.0

    def values(self, name: str) -> np.ndarray:
        """Give the durations `name` (total, age, host or a stage) of the processed clouds (ms)."""
        return np.array([getattr(each.timing, f"{name}_ms") for each in self.done])

    @property
    def has_age(self) -> bool:
        """Tell whether the stamps of the clouds are of the detector's clock."""
        ages = self.values("age")
        return bool(len(ages) and (ages >= 0).all() and (ages < _SANE_AGE_MS).all())


class RunEvent(NamedTuple):
    """Something that was not as before."""

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
    """Give the mean time (ms) that a cloud spent before the detector had it, in each stage, and in between.

    Means, since these add up to the mean of the whole.
    """
    parts = {name: float(run.values(name).mean()) for name in STAGES}
    parts["in between"] = float(run.values("total").mean()) - sum(parts.values())
    if not run.has_age:
        return parts
    before = float((run.values("age") - run.values("total")).mean())
    return {"stamp to reception": before, **parts}


def added(run: LatencyRun) -> list[tuple[float, dict[str, int]]]:
    """Return by how much each of `ACCOUNTS` grew from one message to the next, with the time of the latter.

    Of what came before the first message nothing is known, but the cloud that it is about counts. Of a detector that
    was started anew in between, all that it counts is new.
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
    """Return what became of the clouds while it was listened, the one of the first message included."""
    return {name: sum(step[name] for _, step in added(run)) for name in ACCOUNTS}


def describe(run: LatencyRun) -> str:
    """Return in what mode and on what the last cloud was detected; empty where none was."""
    if not run.done:
        return ""
    last = run.done[-1].timing
    networks = [(last.pfe_device, last.pfe_precision), (last.rpn_device, last.rpn_precision)]
    pfe, rpn = (" in ".join(filter(None, pair)) or "unknown" for pair in networks)
    return f"mode {last.mode or 'unknown'}, PFE on {pfe}, RPN on {rpn}"


def events(run: LatencyRun) -> list[RunEvent]:
    """List what changed: settings, devices, a detector started anew, inferences that hang, first errors."""
    found = []
    for before, after in pairwise(run.heard):
        old, new = before.timing, after.timing
        if counts_anew(old, new):
            found.append(RunEvent(after.at_s, "detector started anew"))
        for name in _SETTINGS:
            was, became = getattr(old, name), getattr(new, name)
            # What was refused before the first frame knows no device.
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
