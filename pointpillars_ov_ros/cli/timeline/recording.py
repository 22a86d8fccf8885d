# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of `timeline`, stored as JSON, and the figures derived from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from pointpillars_ov_ros.cli.recordings import read_json
from pointpillars_ov_ros.config.errors import DatasetError, count_of
from pointpillars_ov_ros.config.mapping import to_mapping

KINDS = ("auto-switch", "auto-batch")
OVERLOADED_AFTER = 3.0
"""Requests that a device works off while another waits: it does not keep up."""
TOGETHER_MS, TOGETHER_SHARE = 3.0, 0.01
"""Requests of one batch are noticed this close together, or within this ratio of the median latency.

They are called back one after the other, and on a busy machine with a pause in between.
"""


@dataclass(frozen=True)
class Entry:
    """One request; times in ms since compilation started."""

    number: int
    submitted_ms: float
    """Time at which it was due."""
    accepted_ms: float
    """Time at which the device had accepted it: one of its requests was free, and started."""
    completed_ms: float
    device: str
    """Device that executed it, as reported by the compiled network at its end (EXECUTION_DEVICES)."""
    error: str = ""
    """Error message of the plugin if the inference failed."""

    @property
    def latency_ms(self) -> float:
        """Time from due to done."""
        return self.completed_ms - self.submitted_ms


@dataclass(frozen=True)
class TimelineRun:
    """Requests to one compiled network, in the order of submission."""

    title: str
    compile_ms: float
    """Time until `compile_model` returned; requests are sent from then on."""
    effective: dict[str, str]
    """Settings read back from the compiled network."""
    requests: tuple[Entry, ...]
    simulated: str = ""
    """Description of what was simulated; empty: nothing."""

    @property
    def first_ms(self) -> float:
        """Time from the start to the first result."""
        return min(entry.completed_ms for entry in self.requests)


@dataclass(frozen=True)
class Recording:
    """One or several runs to be shown together."""

    kind: str
    machine: str
    """Processor, versions and network."""
    date: str
    settings: dict[str, str]
    """Settings as requested."""
    runs: tuple[TimelineRun, ...]


def switches(run: TimelineRun) -> list[Entry]:
    """Return the requests, in order of completion, whose device differs from that of the request before."""
    done = by_completion(run)
    return [entry for before, entry in pairwise(done) if entry.device != before.device]


def by_completion(run: TimelineRun) -> list[Entry]:
    """Return the requests in the order of completion."""
    return sorted(run.requests, key=lambda entry: (entry.completed_ms, entry.number))


def batches(run: TimelineRun) -> list[list[Entry]]:
    """Group requests that were done together, in order of time."""
    groups: list[list[Entry]] = []
    together_ms = max(TOGETHER_MS, TOGETHER_SHARE * median(entry.latency_ms for entry in run.requests))
    for entry in by_completion(run):
        if groups and entry.completed_ms - groups[-1][-1].completed_ms <= together_ms:
            groups[-1].append(entry)
        else:
            groups.append([entry])
    return groups


def overtaken(run: TimelineRun) -> list[Entry]:
    """Return the requests that were done after one that had been submitted later."""
    late: list[Entry] = []
    newest = -1
    for group in batches(run):
        # Those of one batch are done at the same time, in whatever order they are called back.
        late += [entry for entry in group if entry.number < newest]
        newest = max(newest, *(entry.number for entry in group))
    return sorted(late, key=lambda entry: entry.number)


def dump(recording: Recording) -> str:
    """Return a recording as JSON."""
    return json.dumps(to_mapping(recording), indent=1) + "\n"


def read_recording(path: Path) -> Recording:
    """Read a recording; DatasetError names the file and what is wrong with it."""
    recording = read_json(Recording, path, "timeline")
    if recording.kind not in KINDS or not recording.runs or not all(run.requests for run in recording.runs):
        raise DatasetError(
            f"{path} is not a recording of `timeline`: kind {recording.kind!r}, or a run without requests"
        )
    return recording


def describe_run(recording: Recording, run: TimelineRun) -> list[str]:
    """Describe in sentences what a run shows."""
    times = [entry.latency_ms for entry in run.requests]
    lines = [
        f"first result {run.first_ms:.0f} ms after the start, of which compiling {run.compile_ms:.0f} ms",
        f"{count_of(len(run.requests), 'request')}: median {median(times):.1f} ms, longest {max(times):.1f} ms",
    ]
    if recording.kind == "auto-switch":
        lines += describe_overload(run)
        lines += [f"from request {e.number}, done at {e.completed_ms:.0f} ms, on {e.device}" for e in switches(run)]
        return [*lines, *([] if switches(run) else [f"no switch: all on {run.requests[0].device}"])]
    sizes = [len(group) for group in batches(run)]
    late = overtaken(run)
    lines.append(f"done in {count_of(len(sizes), 'group')}, of {_counts(sizes)}")
    lines.append(f"{len(late)} done after one that was submitted later" + (f": {_numbers(late)}" if late else ""))
    return lines


def describe_overload(run: TimelineRun) -> list[str]:
    """Return a line that requests were due faster than the device takes them, if they were at the end; else none."""
    service_ms = median(entry.completed_ms - entry.accepted_ms for entry in run.requests)
    last = run.requests[-1]
    waited_ms = last.accepted_ms - last.submitted_ms
    if waited_ms <= OVERLOADED_AFTER * service_ms:
        return []
    return [
        f"overloaded: the last request waited {waited_ms:.0f} ms to be taken, so most of these times is waiting; the "
        f"device takes {service_ms:.1f} ms a request (median), so a longer --interval is needed"
    ]


def failures(run: TimelineRun) -> list[Entry]:
    """Return the requests that failed."""
    return [entry for entry in run.requests if entry.error]


def _counts(sizes: Sequence[int]) -> str:
    return ", ".join(f"{size} ({sizes.count(size)} x)" for size in sorted(set(sizes)))


def _numbers(entries: Sequence[Entry]) -> str:
    shown = ", ".join(str(entry.number) for entry in entries[:12])
    return shown + (" …" if len(entries) > 12 else "")
