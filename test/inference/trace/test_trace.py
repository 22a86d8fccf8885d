# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Traces as files: there and back in every mode, cut off anywhere, full, and not to be written."""

from __future__ import annotations

import io
import itertools
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from pointpillars_ov_ros.config.errors import ConfigError, DatasetError
from pointpillars_ov_ros.config.runtime_config import Mode
from pointpillars_ov_ros.inference.pipeline.frames import ROWS, Stage, StageEvent, TimelineRow
from pointpillars_ov_ros.inference.simulation.simulate import SimulationProfile, StageMilliseconds, run_simulation
from pointpillars_ov_ros.inference.trace import writer
from pointpillars_ov_ros.inference.trace.reader import read_trace
from pointpillars_ov_ros.inference.trace.writer import TraceRecorder, write_trace

PROFILE = SimulationProfile("a machine", "this test", StageMilliseconds(8, 5, 3, 20, 4), "GPU", "GPU", 2.0)
DEVICES = ("CPU", "GPU.0")


def simulate(mode: Mode, frames: int = 10) -> list[StageEvent]:
    events: list[StageEvent] = []
    run_simulation(PROFILE, mode, frames=frames, on_event=events.append)
    return events


def written(folder: Path, events: list[StageEvent]) -> Path:
    path = folder / "trace.json"
    write_trace(path, "a title", DEVICES, events)
    return path


def stages(events: list[StageEvent]) -> set[StageEvent]:
    """Return the events of stages that are drawn and that ended."""
    ended = {(event.sequence, event.stage) for event in events if event.is_end}
    return {event for event in events if event.stage in ROWS and (event.sequence, event.stage) in ended}


@pytest.mark.parametrize("mode", Mode)
def test_events_come_back_and_the_file_is_json(tmp_path: Path, mode: Mode) -> None:
    events = simulate(mode)
    path = written(tmp_path, events)
    trace = read_trace(path)
    assert (trace.title, trace.devices, trace.warning) == ("a title", DEVICES, "")
    assert set(trace.events) == stages(events)
    assert len({event.slot for event in trace.events}) == {Mode.LATENCY: 1, Mode.BALANCED: 2, Mode.THROUGHPUT: 3}[mode]
    assert json.loads(path.read_text())[0]["ph"] == "M"


@pytest.mark.parametrize("mode", Mode)
def test_each_row_has_threads_of_its_own_on_which_nothing_overlaps(tmp_path: Path, mode: Mode) -> None:
    found: list[dict[str, Any]] = json.loads(written(tmp_path, simulate(mode)).read_text())
    names = {one["tid"]: one["args"]["name"] for one in found if one["name"] == "thread_name"}
    assert set(names.values()) == {"host thread", "PFE on CPU", "RPN on GPU.0"}
    bars = [one for one in found if one["ph"] == "X"]
    words = {TimelineRow.HOST: "host", TimelineRow.PFE: "PFE", TimelineRow.RPN: "RPN"}
    assert all(names[bar["tid"]].startswith(words[ROWS[Stage[bar["name"].upper()]]]) for bar in bars)
    for thread in names:
        own = sorted((bar["ts"], bar["ts"] + bar["dur"]) for bar in bars if bar["tid"] == thread)
        assert all(a[1] <= b[0] + 1e-3 for a, b in itertools.pairwise(own))


def test_a_file_cut_off_anywhere_gives_its_whole_stages_and_one_sentence(tmp_path: Path) -> None:
    events = simulate(Mode.THROUGHPUT)[:60]
    whole = written(tmp_path, events).read_text()
    cut, refused, used = tmp_path / "cut.json", 0, set[int]()
    for length in range(len(whole) - len("]\n")):
        cut.write_text(whole[:length])
        try:
            trace = read_trace(cut)
        except DatasetError as error:
            refused += 1
            assert str(cut) in str(error) and "\n" not in str(error)
            assert not used, "a longer file holds no less"
            continue
        assert trace.warning.startswith(str(cut)) and "\n" not in trace.warning
        assert set(trace.events) <= stages(events)
        used.add(len(trace.events))
    assert refused and max(used) == len(stages(events))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "first line"),
        ("{}", "first line"),
        ("[\n1,\n2", "line is not a trace event"),
        ("[\n{}\n]", "does not begin"),
        ('[\n{"name": "process_name", "args": {}}\n]', "KeyError 'devices'"),
    ],
)
def test_a_file_that_is_no_trace_is_refused_in_one_sentence(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "trace.json"
    path.write_text(text)
    with pytest.raises(DatasetError, match=named) as error:
        read_trace(path)
    assert str(path) in str(error.value)


def test_a_line_that_is_spoilt_in_the_middle_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, simulate(Mode.LATENCY))
    lines = path.read_text().splitlines()
    lines[4] = lines[4][:20]
    path.write_text("\n".join(lines))
    with pytest.raises(DatasetError, match=r"trace\.json:5: this line is not a trace event"):
        read_trace(path)


def test_a_file_is_never_much_larger_than_allowed_and_still_whole(tmp_path: Path) -> None:
    path, limit = tmp_path / "trace.json", 4000
    recorder = TraceRecorder(path, "a title", DEVICES, limit)
    for event in simulate(Mode.BALANCED, frames=200):
        recorder(event)
    recorder.close()
    assert limit <= path.stat().st_size < limit + 300
    assert read_trace(path).warning == ""


def test_events_after_the_end_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    recorder, events = TraceRecorder(path, "a title", DEVICES), simulate(Mode.LATENCY)
    for event in events:
        recorder(event)
    recorder.close()
    before = path.read_bytes()
    recorder(events[0])
    recorder.close()
    assert path.read_bytes() == before


@pytest.mark.parametrize("after", [0, 100, 20_000], ids=["at the end", "in between", "at once"])
def test_a_full_disk_is_said_once_and_ends_the_trace_alone(
    after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # A device on which every write fails as on a full disk: at the end, where what is in memory is written.
    monkeypatch.setattr(writer, "create_regular", lambda path: io.BufferedWriter(io.FileIO("/dev/full", "wb")))
    crashed: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", crashed.append)
    recorder = TraceRecorder(tmp_path / "trace.json", "a title", DEVICES)
    for event in itertools.islice(itertools.cycle(simulate(Mode.LATENCY)), after):
        recorder(event)
    recorder.close()
    recorder(simulate(Mode.LATENCY)[0])
    assert not crashed
    (record,) = caplog.records
    assert "No space left on device" in record.getMessage() and "\n" not in record.getMessage()


def test_stages_that_never_end_leave_the_rest_as_it_is(tmp_path: Path) -> None:
    hanging = [StageEvent(1000 + k, Stage.RPN, False, k) for k in range(200)]
    events = simulate(Mode.LATENCY)
    assert set(read_trace(written(tmp_path, hanging + events)).events) == stages(events)


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"record_trace: '.*nowhere/trace\.json' cannot be written"):
        TraceRecorder(tmp_path / "nowhere" / "trace.json", "a title", DEVICES)


@pytest.mark.parametrize(
    ("key", "value"),
    [("ts", value) for value in ("1e999", "NaN", '"x"', "[1]", "true", "9" * 400, "9" * 5000)]
    + [("dur", "-5"), ("dur", "1e300"), ("name", "{}"), ("args", "7"), ("args", '{"sequence": 1e999, "slot": 0}')],
    ids=lambda text: text[:20],
)
def test_an_event_with_a_value_that_none_has_is_refused(tmp_path: Path, key: str, value: str) -> None:
    path = written(tmp_path, simulate(Mode.LATENCY))
    lines = path.read_text().splitlines()
    index = next(i for i, line in enumerate(lines) if '"ph": "X"' in line)
    event = json.loads(lines[index].removesuffix(","))
    lines[index] = json.dumps({**event, key: "HERE"}).replace('"HERE"', value) + ","
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DatasetError) as raised:
        read_trace(path)
    assert str(path) in str(raised.value)
    assert len(str(raised.value)) < 1000


def test_a_title_may_hold_what_unicode_takes_for_the_end_of_a_line(tmp_path: Path) -> None:
    path, title = tmp_path / "trace.json", "a\u2028b\x85c\x0bd"
    write_trace(path, title, ("CPU\u2029", "GPU\x1c"), simulate(Mode.LATENCY))
    read = read_trace(path)
    assert (read.title, read.devices, read.warning) == (title, ("CPU\u2029", "GPU\x1c"), "")
