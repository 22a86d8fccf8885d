# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of trace files, including truncated ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from pointpillars_ov_ros.config.documents import one_line, parse_json
from pointpillars_ov_ros.config.errors import DatasetError, shown
from pointpillars_ov_ros.inference.pipeline.frames import ROWS, Stage, StageEvent
from pointpillars_ov_ros.inference.trace.writer import MAX_BYTES, TITLE

_MOST = 2**62
_MOST_CHARACTERS = 2 * MAX_BYTES
_STAGES = {stage.name.lower(): stage for stage in ROWS}


class RecordedTrace(NamedTuple):
    """Contents of a trace file."""

    title: str
    devices: tuple[str, str]
    """Devices of PFE and RPN."""
    events: list[StageEvent]
    """Begin and end of each complete stage."""
    warning: str
    """One sentence if the end is missing; else empty."""


def read_trace(path: Path) -> RecordedTrace:
    """Read the file of a `TraceRecorder`; DatasetError, in one sentence, if it has no complete stage."""
    try:
        with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            lines = file.read(_MOST_CHARACTERS + 1).removesuffix("\n").split("\n")
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror})") from None
    if sum(map(len, lines)) > _MOST_CHARACTERS:
        raise DatasetError(f"{path} is not a pipeline trace: it is larger than the maximum")
    if not lines or lines[0] != "[":
        raise DatasetError(f"{path} is not a pipeline trace: its first line is not '['")
    objects, warning = _read_objects(path, lines)
    if not objects or objects[0].get("name") != TITLE:
        raise DatasetError(f"{path} is not a pipeline trace: it does not begin with {TITLE!r}")
    try:
        head = objects[0]["args"]
        pfe, rpn = head["devices"]
        events = [event for found in objects if found["ph"] == "X" for event in _events(found)]
        trace = RecordedTrace(str(head["name"]), (str(pfe), str(rpn)), events, warning)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DatasetError(
            f"{path} is not a pipeline trace: {type(error).__name__} {one_line(error)} in an event"
        ) from None
    if not events:
        raise DatasetError(f"{path} holds no complete stage of a frame{', and is truncated' if warning else ''}")
    return trace


def _read_objects(path: Path, lines: list[str]) -> tuple[list[dict[str, Any]], str]:
    """Return the objects, one per line, up to the first that is truncated, and a sentence about that one."""
    objects: list[dict[str, Any]] = []
    for number, line in enumerate(lines[1:], 2):
        if line == "]":
            return objects, ""
        try:
            found = parse_json(line.removesuffix(","))
        except json.JSONDecodeError:
            if number < len(lines):
                raise DatasetError(f"{path}:{number}: this line is not a trace event") from None
            return objects, f"{path} is truncated in line {number}; the {number - 2} complete lines before it are used"
        if not isinstance(found, dict):
            raise DatasetError(f"{path}:{number}: this line is not a trace event")
        objects.append(found)
    return objects, f"{path} has no end, since its recorder was killed or is still running; the events so far are used"


def _microseconds(value: object) -> float:
    """Return a time; TypeError if it is not one, since strings and lists can be multiplied, too."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{shown(value)} is not a time")
    return value


def _events(found: dict[str, Any]) -> tuple[StageEvent, StageEvent]:
    stage: Stage = _STAGES[found["name"]]
    sequence, slot = int(found["args"]["sequence"]), int(found["args"]["slot"])
    begin_ns = round(_microseconds(found["ts"]) * 1000)
    end_ns = begin_ns + round(_microseconds(found["dur"]) * 1000)
    if sequence < 0 or end_ns < begin_ns or max(sequence, slot, end_ns) >= _MOST:
        raise ValueError(f"{sequence}, {slot}, {begin_ns} to {end_ns} ns")
    return StageEvent(sequence, stage, False, begin_ns, slot), StageEvent(sequence, stage, True, end_ns, slot)
