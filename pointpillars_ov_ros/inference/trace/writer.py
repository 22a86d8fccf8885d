# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writer of a pipeline's trace for Perfetto and chrome://tracing (trace event format, JSON array)."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.config.regular_file import create_regular
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.pipeline.frames import ROWS, Stage, StageEvent, TimelineRow

log = logging.getLogger(__name__)

MAX_BYTES = 64 * 1024 * 1024
"""Maximum size of a file: about 100 000 frames."""
TITLE = "process_name"
"""Name of the event whose argument `name` is the title; `devices` are those of PFE and RPN."""
_WRITE_EVERY_S = 0.5
_WAITING = 100_000
"""Maximum number of events queued for the writer; far more than arrive between two writes."""
_OPEN = 64
"""Maximum number of stages begun but not ended; frames that fail or hang leave some."""
_LANES = 10
"""Thread numbers per row: its inferences may overlap, which one thread of a trace cannot show."""


class TraceLines:
    """Converts events to the lines of a file, each a JSON object."""

    def __init__(self, title: str, devices: tuple[str, str]) -> None:
        """Set the title and the devices of PFE and RPN."""
        self._title, self._devices = title, devices
        self._open: dict[tuple[int, Stage], tuple[int, int]] = {}
        """Begin (ns) and thread of each stage that has not ended."""
        self._named: set[int] = set()

    def head(self) -> str:
        """Return the first line."""
        return _line(name=TITLE, ph="M", pid=0, tid=0, args={"name": self._title, "devices": self._devices})

    def of(self, event: StageEvent) -> Iterator[str]:
        """Yield the lines that an event completes, in the order in which the host reports them."""
        sequence, stage, is_end, now_ns, slot = event
        if stage not in ROWS:
            return
        if not is_end:
            thread = self._free_thread(ROWS[stage])
            while len(self._open) >= _OPEN:
                del self._open[next(iter(self._open))]
            self._open[sequence, stage] = now_ns, thread
            if thread not in self._named:
                self._named.add(thread)
                yield _line(name="thread_name", ph="M", pid=0, tid=thread, args={"name": self._row_name(ROWS[stage])})
        elif (sequence, stage) in self._open:
            begin_ns, thread = self._open.pop((sequence, stage))
            yield _line(
                name=stage.name.lower(),
                ph="X",
                pid=0,
                tid=thread,
                ts=begin_ns / 1000,
                dur=(now_ns - begin_ns) / 1000,
                args={"sequence": sequence, "slot": slot},
            )

    def _free_thread(self, row: TimelineRow) -> int:
        taken = {thread for _, thread in self._open.values()}
        first = 1 + row.value * _LANES
        return next((thread for thread in range(first, first + _LANES) if thread not in taken), first)

    def _row_name(self, row: TimelineRow) -> str:
        return "host thread" if row is TimelineRow.HOST else f"{row.name} on {self._devices[row is TimelineRow.RPN]}"


class TraceRecorder:
    """Recorder that takes events on the host thread, at the cost of an append, and writes them on its own thread.

    If the process dies, the file lacks at most the last half second: the format does not need the closing bracket.
    """

    def __init__(self, path: Path, title: str, devices: tuple[str, str], max_bytes: int = MAX_BYTES) -> None:
        """Create the file, replacing an existing one; ConfigError if that is not possible."""
        self._path, self._left = path, max_bytes
        self._lines = TraceLines(title, devices)
        self._events: deque[StageEvent] = deque(maxlen=_WAITING)
        self._closing = threading.Event()
        try:
            self._file = io.TextIOWrapper(create_regular(path), encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise ConfigError(f"record_trace: {str(path)!r} cannot be written ({error.strerror})") from None
        self._put(self._file, f"[\n{self._lines.head()}")
        self._thread = threading.Thread(target=self._run, name="pointpillars-trace", daemon=True)
        self._thread.start()

    def __call__(self, event: StageEvent) -> None:
        """Queue an event for writing."""
        self._events.append(event)

    def close(self) -> None:
        """Write the remaining events and end the file; later events are ignored."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            # Closing writes what is still in memory, and fails on a full disk, too.
            with self._file as file:
                while not self._closing.wait(_WRITE_EVERY_S) and self._left > 0:
                    self._write(file)
                self._write(file)
                file.write("\n]\n")
        except OSError as error:
            log.error("record_trace: the trace in %s ends here (%s); detection continues", self._path, error)
        # Nobody removes them any more.
        self._events = deque(maxlen=0)

    def _write(self, file: TextIO) -> None:
        for _ in range(len(self._events)):
            for line in self._lines.of(self._events.popleft()):
                if self._left <= 0:
                    continue
                self._put(file, f",\n{line}")
                if self._left <= 0:
                    log.warning("%s has reached its maximum size; the trace ends here", self._path)
        file.flush()

    def _put(self, file: TextIO, text: str) -> None:
        file.write(text)
        self._left -= len(text)


def write_trace(path: Path, title: str, devices: tuple[str, str], events: Iterable[StageEvent]) -> None:
    """Write a complete list of events; ConfigError if the file cannot be written."""
    recorder = TraceRecorder(path, title, devices)
    for event in events:
        recorder(event)
    recorder.close()


def open_trace(path: str, engine: Engine) -> TraceRecorder | None:
    """Record `engine` in its mode to `path`, unless that is empty; ConfigError if it cannot be written."""
    if not path:
        return None
    settings = engine.effective_settings()
    pfe, rpn = (settings[name].get("EXECUTION_DEVICES", "") for name in ("pfe", "rpn"))
    return TraceRecorder(Path(path).expanduser(), f"{engine.config.name}, {engine.runtime.mode.value} mode", (pfe, rpn))


def _line(**fields: object) -> str:
    return json.dumps(fields, ensure_ascii=False)
