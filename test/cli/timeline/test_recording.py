# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Figures derived from a recording, for made-up requests; and its file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pointpillars_ov_ros.cli.timeline.recording import (
    Entry,
    Recording,
    TimelineRun,
    batches,
    describe_run,
    dump,
    overtaken,
    read_recording,
    switches,
)
from pointpillars_ov_ros.config.errors import DatasetError


def run_of(*done: float, devices: tuple[str, ...] = (), every: float = 10.0) -> TimelineRun:
    """Return a run of requests due at regular intervals (ms), done at these times."""
    names = devices or ("CPU",) * len(done)
    ends = enumerate(zip(done, names, strict=True))
    entries = [Entry(n, n * every, n * every + 1, at, name) for n, (at, name) in ends]
    return TimelineRun("made up", 5.0, {"PERFORMANCE_HINT": "LATENCY"}, tuple(entries))


def recording_of(kind: str, *runs: TimelineRun) -> Recording:
    return Recording(kind, "a machine", "2026-01-01", {"device": "CPU"}, runs)


def numbers(groups: list[list[Entry]]) -> list[list[int]]:
    return [[entry.number for entry in group] for group in groups]


def test_requests_done_together_are_a_batch() -> None:
    assert numbers(batches(run_of(100, 101, 150, 102, 151, 300))) == [[0, 1, 3], [2, 4], [5]]


def test_what_is_together_grows_with_how_long_requests_take() -> None:
    assert len(batches(run_of(100, 108))) == 2
    assert len(batches(run_of(2000, 2008))) == 1


def test_one_is_overtaken_only_by_a_later_one_of_an_earlier_batch() -> None:
    assert overtaken(run_of(100, 200, 300)) == []
    # The two of the first batch are called back in any order.
    assert overtaken(run_of(101, 100, 300)) == []
    assert [entry.number for entry in overtaken(run_of(400, 100, 500, 200))] == [0, 2]


def test_a_switch_is_where_the_device_changes_in_order_of_completion() -> None:
    assert switches(run_of(100, 200)) == []
    run = run_of(100, 400, 200, 500, devices=("(CPU)", "GPU", "(CPU)", "GPU"))
    assert [entry.number for entry in switches(run)] == [1]


def test_what_a_run_shows_is_said() -> None:
    switched = recording_of("auto-switch", run_of(100, 400, devices=("(CPU)", "GPU")))
    text = "\n".join(describe_run(switched, switched.runs[0]))
    assert "first result 100 ms" in text and "compiling 5 ms" in text
    assert "from request 1, done at 400 ms, on GPU" in text
    same = recording_of("auto-switch", run_of(100, 400))
    assert "no switch: all on CPU" in describe_run(same, same.runs[0])
    joined = recording_of("auto-batch", run_of(100, 101, 400, 300))
    text = "\n".join(describe_run(joined, joined.runs[0]))
    assert "3 groups, of 1 (2 x), 2 (1 x)" in text and "1 done after one that was submitted later: 2" in text


def test_a_recording_is_read_back_as_it_was(tmp_path: Path) -> None:
    recording = recording_of("auto-batch", run_of(100, 101), run_of(5))
    path = tmp_path / "r.json"
    path.write_text(dump(recording))
    assert read_recording(path) == recording


@pytest.mark.parametrize("spoil", ["cut", "kind", "field", "type", "empty", "no runs", "binary"])
def test_what_is_no_recording_is_one_sentence_with_its_name(spoil: str, tmp_path: Path) -> None:
    path, text = tmp_path / "r.json", dump(recording_of("auto-batch", run_of(100, 101)))
    tree = json.loads(text)
    if spoil == "kind":
        tree["kind"] = "nap"
    elif spoil == "field":
        del tree["runs"][0]["requests"][1]["accepted_ms"]
    elif spoil == "type":
        tree["runs"][0]["requests"][1]["number"] = "one"
    elif spoil == "empty":
        tree["runs"][0]["requests"] = []
    elif spoil == "no runs":
        tree["runs"] = []
    path.write_text(text[: len(text) // 2] if spoil == "cut" else json.dumps(tree))
    if spoil == "binary":
        path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError) as error:
        read_recording(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_requests_that_are_due_faster_than_they_are_taken_are_no_latencies() -> None:
    entries = tuple(Entry(n, 100.0 * n, 200.0 * n, 200.0 * n + 199.0, "CPU") for n in range(20))
    late = recording_of("auto-switch", TimelineRun("late", 5.0, {}, entries))
    (line,) = (line for line in describe_run(late, late.runs[0]) if line.startswith("overloaded"))
    assert "the last request waited 1900 ms" in line and "takes 199.0 ms a request" in line
    fine = recording_of("auto-switch", TimelineRun("fine", 5.0, {}, entries[:2]))
    assert not [line for line in describe_run(fine, fine.runs[0]) if line.startswith("overloaded")]
