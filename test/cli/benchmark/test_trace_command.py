# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`trace` as a person runs it, on traces of the simulated machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.cli.benchmark.gantt import TimelineRow
from pointpillars_ov_ros.cli.benchmark.trace import choose, make_groups
from pointpillars_ov_ros.config.runtime_config import Mode
from pointpillars_ov_ros.inference.pipeline.frames import StageEvent
from pointpillars_ov_ros.inference.simulation.simulate import SimulationProfile, StageMilliseconds, run_simulation
from pointpillars_ov_ros.inference.trace.reader import read_trace
from pointpillars_ov_ros.inference.trace.writer import write_trace

PROFILE = SimulationProfile("a machine", "this test", StageMilliseconds(8, 5, 3, 20, 4), "GPU", "GPU", 2.0)


@pytest.fixture
def traces(tmp_path: Path) -> list[Path]:
    """Return the trace of each mode."""
    paths = []
    for mode in Mode:
        events: list[StageEvent] = []
        run_simulation(PROFILE, mode, frames=20, on_event=events.append)
        paths.append(tmp_path / f"{mode.value}.json")
        write_trace(paths[-1], f"{mode.value} mode", ("CPU", "GPU"), events)
    return paths


def test_every_mode_is_drawn(traces: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "picture.png"
    assert cli.main(["trace", *map(str, traces), "--picture", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr()
    assert all(f"{mode.value} mode, " in said.out for mode in Mode)
    assert said.err == ""


def test_a_trace_that_is_cut_in_half_is_drawn_with_one_sentence(
    traces: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = traces[0].read_text()
    traces[0].write_text(text[: len(text) // 2 - 10])
    assert cli.main(["trace", str(traces[0]), "--picture", str(tmp_path / "picture.png")]) == 0
    warning = capsys.readouterr().err
    assert warning.count("\n") == 1
    assert warning.startswith(f"warning: {traces[0]} is truncated in line ")


@pytest.mark.parametrize(("text", "named"), [(None, "cannot be read"), ("nonsense", "is not a pipeline trace")])
def test_what_is_no_trace_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, named: str
) -> None:
    path = tmp_path / "trace.json"
    if text is not None:
        path.write_text(text)
    assert cli.main(["trace", str(path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {path} {named}") and said.count("\n") == 1


@pytest.mark.parametrize("first", [None, 1, 5])
def test_the_first_frame_shown_is_number_0(traces: list[Path], first: int | None) -> None:
    trace = read_trace(traces[2])
    frames = sorted({event.sequence for event in trace.events})
    chosen = trace._replace(events=choose(trace.events, frames, first, traces[2]))
    (group,) = make_groups([chosen])
    assert set(group.rows) == set(TimelineRow)
    assert group.panels[0].title == "1: throughput mode"
    begun = {bar.sequence for bar in group.panels[0].trace.bars}
    assert {0, 1, 2} <= begun
    shift = (frames[4] if first == 5 else frames[0]) if first else frames[(len(frames) - 3) // 2]
    assert {event.sequence + shift for event in chosen.events} == set(frames)


def test_a_frame_beyond_the_last_is_one_sentence(traces: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["trace", str(traces[0]), "--first", "999"]) == 1
    assert "frames, so --first 999 is not possible" in capsys.readouterr().err
