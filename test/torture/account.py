# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Comparison of the journals of a sender and a checker: which clouds arrived, in which order, how old."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointpillars_ov_ros.ros.timing_message import AMISS, COUNTERS
from test.torture.journal import Stamp, read_journal

_HEARD = ("detections", "timing", "diagnostics")


@dataclass(frozen=True)
class Account:
    """Account of one run. Only `timings` and `counted`, which `complaints` checks, come from the detector itself."""

    sent: list[Stamp]
    """Stamps in the order of sending."""
    detections: list[dict[str, Any]]
    timings: list[dict[str, Any]]
    diagnostics: list[dict[str, Any]]

    @classmethod
    def read(cls, sender: Path, checker: Path, probe: Path) -> Account:
        """Read what both have written so far, without what came of the clouds of the journal `probe`."""
        heard = read_journal(checker)
        heard = _without({stamp_of(line) for line in read_journal(probe) if line["kind"] == "sent"}, heard)
        of_kind = {kind: [line for line in heard if line["kind"] == kind] for kind in _HEARD}
        sent = [stamp_of(line) for line in read_journal(sender) if line["kind"] == "sent"]
        return cls(sent, *of_kind.values())

    @property
    def answered(self) -> list[Stamp]:
        """Stamps of the detections, in the order of arrival."""
        return [stamp_of(line) for line in self.detections]

    def missing(self) -> set[Stamp]:
        """Return the clouds sent that have no detections."""
        return set(self.sent) - set(self.answered)

    def disorder(self) -> list[str]:
        """Report what must never happen: detections twice, out of order, or of clouds never sent, or timings twice."""
        found = []
        for name, stamps in (("detections", self.answered), ("timing", [stamp_of(line) for line in self.timings])):
            if len(set(stamps)) != len(stamps):
                found.append(f"{name}: {len(stamps) - len(set(stamps))} clouds answered twice")
            if stamps != sorted(stamps):
                found.append(f"{name}: out of order")
            if unknown := set(stamps) - set(self.sent):
                found.append(f"{name}: {len(unknown)} of clouds that were never sent")
        return found

    def counted(self, until_ns: int | None = None) -> int:
        """Return how many clouds without detections the detector counts, at the end or up to a time."""
        heard = [line for line in self.timings if until_ns is None or line["at_ns"] < until_ns]
        return sum(heard[-1][name] for name in AMISS) if heard else 0

    def complaints(self) -> list[str]:
        """Return where the detector's counters differ from what was sent and received, run by run, even if killed.

        The timing of a frame is received or not, so completed, refused and failed clouds are counted exactly. Nothing
        is received for a dropped or lost cloud: those sent between the first and the last frame of a run must be in the
        counters by then, and no more than were sent until that was received.
        """
        found, detected = [], set(self.answered)
        for number, run in enumerate(dict.fromkeys(line["run"] for line in self.timings)):
            lines = [line for line in self.timings if line["run"] == run]
            more = {name: lines[-1][name] - lines[0][name] for name in COUNTERS}
            errors = sum(bool(line["error"]) for line in lines[1:])
            completed = len(lines) - 1 - errors
            if more["completed"] != completed:
                found.append(f"run {number}: {completed} frames heard of, {more['completed']} counted as completed")
            if more["failed"] + more["refused"] != errors:
                found.append(f"run {number}: {errors} refusals and failures heard of, others are counted")
            silent = [line for line in lines if not line["error"] and stamp_of(line) not in detected]
            if silent:
                found.append(f"run {number}: {len(silent)} frames completed whose detections nobody heard")
            found += self._unaccounted(number, lines, more["dropped"] + more["lost"])
        return found

    def _unaccounted(self, number: int, lines: list[dict[str, Any]], counted: int) -> list[str]:
        """Compare the clouds of one run of which nothing was heard with those `counted` as dropped or lost."""
        heard, first, last = {stamp_of(line) for line in lines}, stamp_of(lines[0]), stamp_of(lines[-1])
        silent = [stamp for stamp in self.sent if first < stamp and stamp not in heard]
        # What was displaced while the first frame was at work is in its counters already.
        before = min(_sent_by(silent, lines[0]["at_ns"]), lines[0]["dropped"] + lines[0]["lost"])
        least = sum(stamp < last for stamp in silent) - before
        most = _sent_by(silent, lines[-1]["at_ns"])
        if least <= counted <= most:
            return []
        return [
            f"run {number}: of {least} to {most} clouds nothing was heard, {counted} are counted as dropped or lost"
        ]

    def ages_ms(self, from_ns: int = 0, to_ns: int | None = None) -> list[float]:
        """Return the ages (ms) from sending to arrival at the checker, of clouds sent in this time."""
        found = []
        for line in self.detections:
            sent_ns = line["stamp"][0] * 1_000_000_000 + line["stamp"][1]
            if from_ns <= sent_ns and (to_ns is None or sent_ns < to_ns):
                found.append((line["at_ns"] - sent_ns) / 1e6)
        return found

    def levels(self, task: str) -> list[tuple[int, int, str]]:
        """Return (ns, level, message) of a diagnostics task, the name without the node's."""
        found = []
        for line in self.diagnostics:
            for name, (level, message) in line["statuses"].items():
                if name.endswith(f": {task}"):
                    found.append((line["at_ns"], level, message))
        return found


def stamp_of(line: dict[str, Any]) -> Stamp:
    """Return the stamp of a journal's line, for comparisons."""
    seconds, nanoseconds = line["stamp"]
    return seconds, nanoseconds


def _sent_by(stamps: list[Stamp], until_ns: int) -> int:
    """Return how many of these clouds were sent by a time (ns)."""
    return sum(seconds * 1_000_000_000 + nanoseconds <= until_ns for seconds, nanoseconds in stamps)


def _without(probes: set[Stamp], heard: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what came of clouds that were sent before all others, also of the detector's counters."""
    # Not diagnostics, whose stamps are those of a clock that may stand.
    answers = [index for index, line in enumerate(heard) if line["kind"] in _HEARD[:2]]
    of_probes = [index for index in answers if stamp_of(heard[index]) in probes]
    if not of_probes:
        return heard
    begin = max(of_probes) + 1
    before = [line for line in heard[:begin] if line["kind"] == "timing"][-1]
    return [
        {**line, **{name: line[name] - before[name] for name in COUNTERS}}
        if line["kind"] == "timing" and line["run"] == before["run"]
        else line
        for line in heard[begin:]
    ]
