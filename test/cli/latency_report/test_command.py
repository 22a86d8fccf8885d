# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The latency report: what is read out of timing messages, from where, and the page."""

from __future__ import annotations

import dataclasses
import html
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.serialization import serialize_message
from std_msgs.msg import Header, String

from pointpillars_ov_ros.bags.writer import BagWriter
from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.cli.latency_report.page import make_page
from pointpillars_ov_ros.cli.latency_report.runs import (
    STAGES,
    LatencyRun,
    accounts,
    budget,
    events,
    percentiles_over_time,
)
from pointpillars_ov_ros.cli.latency_report.sources import make_run, read_run, write_recording
from pointpillars_ov_ros.cli.latency_report.table import make_rows
from pointpillars_ov_ros.cli.tables import summarize
from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.timing_message import FrameTiming, to_message
from test.cli.timeline.test_command import CHROMIUM, CHROMIUM_FLAGS

Capture = pytest.CaptureFixture[str]
TOPIC = "/front/timing"
_TYPE = "diagnostic_msgs/msg/DiagnosticArray"


def a_timing(number: int, **changes: object) -> FrameTiming:
    """Return the timing of cloud `number` of a detector that has processed all earlier ones."""
    stages = {f"{name}_ms": 1.0 + k for k, name in enumerate(STAGES)}
    known = {"received": number + 1, "completed": number + 1, "mode": "latency", "pfe_device": "host"}
    times = {"total_ms": 30.0 + number % 10, "age_ms": 50.0 + number % 10, "rpn_device": "CPU", "parity": "agrees"}
    return FrameTiming(**{**stages, **known, **times, **changes})


def a_run(timings: list[FrameTiming], title: str = "a bag", every_s: float = 0.1) -> LatencyRun:
    messages = (to_message(timing, Header()) for timing in timings)
    return make_run(title, [(100.0 + k * every_s, lambda m=m: m) for k, m in enumerate(messages)])


def write_bag(folder: Path, timings: list[FrameTiming], topics: tuple[str, ...] = (TOPIC,)) -> Path:
    with BagWriter(folder) as bag:
        for topic in topics:
            bag.add_topic(topic, _TYPE, latched=False)
            for k, timing in enumerate(timings):
                message = serialize_message(to_message(timing, Header()))
                bag.write(topic, 1_700_000_000_000_000_000 + k * 100_000_000, message)
    return folder


def latency_report(*arguments: object) -> int:
    return cli.main(["latency_report", *map(str, arguments)])


def test_a_bag_and_a_recording_of_it_are_the_same(tmp_path: Path) -> None:
    timings = [a_timing(k) for k in range(25)]
    run = read_run(write_bag(tmp_path / "bag", timings), "timing")
    assert [each.timing for each in run.heard] == timings
    assert np.allclose([each.at_s for each in run.heard], np.arange(25) * 0.1, atol=1e-6)
    write_recording(tmp_path / "run.json", run)
    assert read_run(tmp_path / "run.json", "timing") == run


def test_rate_percentiles_and_accounts() -> None:
    timings = [a_timing(k) for k in range(100)] + [a_timing(99, error="cloud refused: no field x", refused=1)]
    run = a_run(timings)
    assert run.rate == pytest.approx(10.0)
    totals = [timing.total_ms for timing in timings[:-1]]
    assert list(summarize(run.values("total")).values()) == list(np.percentile(totals, (50, 90, 99, 100)))
    assert accounts(run) == {"completed": 100, "dropped": 0, "refused": 1, "failed": 0, "lost": 0}
    times, rows = percentiles_over_time(run, "total")
    assert len(times) == len(rows) == 10 and (np.diff(times) > 0).all() and (np.diff(rows, axis=1) >= 0).all()
    texts = {row.name: row.texts for row in make_rows([run, run])}
    assert texts["total p50 (ms)"] == ("34.50", "34.50", "1.00") and texts["refused"] == ("1", "1", "")


def test_the_parts_of_the_age_add_up() -> None:
    run = a_run([a_timing(k) for k in range(30)])
    parts = budget(run)
    assert sum(parts.values()) == pytest.approx(run.values("age").mean())
    assert parts["stamp to reception"] == pytest.approx(20.0) and parts["rpn"] == pytest.approx(6.0)


@pytest.mark.parametrize("age_ms", [-5.0, 1e10])
def test_ages_by_another_clock_are_left_out_and_said(age_ms: float) -> None:
    run = a_run([a_timing(k, age_ms=age_ms) for k in range(30)])
    assert sum(budget(run).values()) == pytest.approx(run.values("total").mean())
    assert not any(row.name.startswith("age") for row in make_rows([run]))
    assert "not from the detector&#39;s clock" in make_page([run])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mode": "throughput"}, "mode from latency to throughput"),
        ({"rpn_device": "GPU.0"}, "rpn_device from CPU to GPU.0"),
        ({"parity": "fell back to CPU in f32"}, "parity from agrees to fell back to CPU in f32"),
        ({"hung": 1}, "inferences that hang: 1"),
        ({"error": "the RPN failed"}, "the RPN failed"),
        ({"received": 1, "completed": 1}, "detector restarted"),
        ({"rpn_device": ""}, None),
    ],
)
def test_what_changed_is_an_event(changes: dict, said: str | None) -> None:
    run = a_run([a_timing(0), a_timing(1), a_timing(2, **changes)])
    assert [tuple(event) for event in events(run)] == ([(pytest.approx(0.2), said)] if said else [])


def test_a_detector_started_anew_counts_from_nothing() -> None:
    run = a_run([a_timing(7, dropped=5), a_timing(8, dropped=6), a_timing(0, dropped=2), a_timing(1, dropped=2)])
    assert accounts(run)["dropped"] == 1 + 2 and accounts(run)["completed"] == 1 + 1 + 1 + 1


@pytest.mark.parametrize(
    ("error", "name"),
    [("", "completed"), ("the RPN failed", "failed"), ("cloud refused: no field x", "refused")],
)
def test_every_cloud_that_was_heard_of_is_accounted_for(error: str, name: str) -> None:
    """Also the first one, before which nothing is known."""
    run = a_run([a_timing(5, error=error)])
    assert accounts(run)[name] == sum(accounts(run).values()) == 1
    run = a_run([a_timing(k, completed=k + 1) for k in range(5, 45)])
    assert accounts(run)["completed"] == len(run.heard) == 40


def test_the_page_says_what_was_measured_and_shows_pictures_first() -> None:
    run = a_run([a_timing(k, rpn_precision="f32") for k in range(9)])
    page = make_page([run])
    assert "a bag; mode latency, PFE on host, RPN on CPU in f32" in page
    assert page.index("<svg") < page.index("<table>")


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    "timings",
    [
        [a_timing(0)],
        [a_timing(0, error="cloud refused: no field x")],
        [a_timing(k, dropped=k // 3, error="the RPN failed" if k == 9 else "") for k in range(40)],
    ],
    ids=["one cloud", "nothing done", "losses"],
)
def test_the_page_stands_alone(timings: list[FrameTiming], count: int) -> None:
    page = make_page([a_run(timings, f"<run {k}>") for k in range(count)])
    assert page.count("&lt;run ") >= count and "<run" not in page
    assert not any(word in page for word in ("<script", "src=", "<?xml", "@import"))
    assert (
        page.count("<svg")
        == page.count("</svg>")
        == 2 + count + any(timing.dropped or timing.error for timing in timings)
    )


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_shows_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bags = [write_bag(tmp_path / name, [a_timing(k, **changes) for k in range(60)]) for name, changes in
            (("calm", {}), ("busy", {"rpn_ms": 60.0, "total_ms": 90.0}))]  # fmt: skip
    page = tmp_path / "report.html"
    assert latency_report(*bags, "--page", page) == 0
    printed = capsys.readouterr().out
    assert "rpn p50 (ms)" in printed and str(page) in printed
    picture = tmp_path / "page.png"
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    command = [str(CHROMIUM), *CHROMIUM_FLAGS, profile, "--window-size=1100,1400", f"--screenshot={picture}"]
    subprocess.run([*command, page.as_uri()], capture_output=True, timeout=300, check=True)
    assert picture.stat().st_size > 20_000


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: folder / "none", "no such bag"),
        (
            lambda folder: write_bag(folder / "bag", [], ()),
            "no topic of diagnostic_msgs/msg/DiagnosticArray",
        ),
        (
            lambda folder: write_bag(folder / "bag", []),
            "no message on /front/timing; the recorder received nothing there",
        ),
        (
            lambda folder: write_bag(folder / "bag", [a_timing(0)], ("/a/timing", "/b/timing")),
            "choose one with --topic: /a/timing (1 message), /b/timing (1 message)",
        ),
        (lambda folder: cut(folder), "run.json:1: this is not a complete recording"),
        (lambda folder: foreign(folder), "is not a recording of `latency_report`: "),
        (lambda folder: other_messages(folder), "does not contain timing messages"),
    ],
    ids=["no bag", "no topic", "no message", "two topics", "cut in half", "foreign", "other messages"],
)
def test_a_bad_source_is_one_sentence(make, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    page = tmp_path / "report.html"
    assert latency_report(make(tmp_path), "--page", page) == 1
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and said in text
    assert not page.exists()


@pytest.mark.parametrize("title", ["$x^{$", r"\\frac{1}{$", "a $ b $ c", "<b>", "\u4e2d\u6587", "{{ 7 * 7 }}"])
@pytest.mark.filterwarnings("ignore:Glyph")
def test_any_title_is_drawn_as_it_is(title: str) -> None:
    page = make_page([a_run([a_timing(k, dropped=k) for k in range(5)], title)] * 2)
    assert html.escape(title) in page.replace("&#34;", "&quot;") and page.count("<svg") == page.count("</svg>") == 5


@pytest.mark.parametrize(("name", "value"), [("total_ms", "nan"), ("age_ms", "inf"), ("rpn_ms", "1e308"), ("x", "1")])
def test_a_forged_message_is_left_out_and_said(name: str, value: str, tmp_path: Path, capsys: Capture) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic(TOPIC, _TYPE, latched=False)
        for number in range(9):
            message = to_message(a_timing(number), Header())
            if number == 4:
                pairs = {pair.key: pair for pair in message.status[0].values}
                pairs.get(name, message.status[0].values[0]).value = value
                pairs.get(name, message.status[0].values[0]).key = name
            data = b"\0\1\0\0\5" if number == 6 else serialize_message(message)
            bag.write(TOPIC, number * 10**8, data)
    page = tmp_path / "r.html"
    assert latency_report(tmp_path / "bag", "--page", page) == 0
    said = f"{TOPIC}: 2 messages ignored that are not timing messages ({name}: "
    assert said in capsys.readouterr().out and said in html.unescape(page.read_text())
    assert len(read_run(tmp_path / "bag", "timing").heard) == 7


@pytest.mark.parametrize("value", [float("nan"), 1e308])
def test_a_recording_with_a_time_that_is_none_is_one_sentence(value: float, tmp_path: Path, capsys: Capture) -> None:
    run = a_run([a_timing(0), a_timing(1)])
    timing = dataclasses.replace(run.heard[1].timing, total_ms=value)
    heard = (run.heard[0], dataclasses.replace(run.heard[1], timing=timing))
    write_recording(tmp_path / "run.json", dataclasses.replace(run, heard=heard))
    assert latency_report(tmp_path / "run.json", "--page", tmp_path / "r.html") == 1
    assert "is not a recording of `latency_report`: " in capsys.readouterr().err


def cut(folder: Path) -> Path:
    path = folder / "run.json"
    write_recording(path, a_run([a_timing(0)]))
    path.write_text(path.read_text()[:-40])
    return path


def foreign(folder: Path) -> Path:
    path = folder / "run.json"
    path.write_text(json.dumps({"kind": "auto-batch"}))
    return path


def other_messages(folder: Path) -> Path:
    message = to_message(a_timing(0), Header())
    message.status[0].name = "gps: fix"
    with BagWriter(folder / "bag") as bag:
        bag.add_topic("/timing", _TYPE, latched=False)
        bag.write("/timing", 1, serialize_message(message))
        bag.add_topic("/chatter", "std_msgs/msg/String", latched=False)
        bag.write("/chatter", 2, serialize_message(String(data="x")))
    return folder / "bag"


@pytest.mark.parametrize("flags", [[], ["a", "b", "c"], ["a", "b", "--listen", "3"], ["a", "--json", "x.json"]])
def test_a_wrong_call_is_one_sentence(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert latency_report(*flags) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_where_nothing_is_heard_is_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pointpillars_ov_ros.cli.main", "latency_report", "--listen", "1"]
    ended = subprocess.run(
        [*command, "--page", str(tmp_path / "r.html")], capture_output=True, text=True, timeout=300, env=os.environ
    )
    assert ended.returncode == 1 and "error: no message was received on timing: " in ended.stderr


def test_a_detector_that_runs_is_listened_to(ros: None, tmp_path: Path) -> None:
    node = rclpy.create_node("pointpillars_detector")
    publisher = node.create_publisher(DiagnosticArray, "timing", qos.TIMING)
    recording, page = tmp_path / "run.json", tmp_path / "r.html"
    command = [sys.executable, "-m", "pointpillars_ov_ros.cli.main", "latency_report", "--listen", "3"]
    process = subprocess.Popen(
        [*command, "--page", str(page), "--json", str(recording)], env=os.environ, stdout=subprocess.PIPE, text=True
    )
    sent = 0
    while process.poll() is None:
        publisher.publish(to_message(a_timing(sent), Header()))
        sent += 1
        time.sleep(0.02)
    printed = process.communicate()[0]
    node.destroy_node()
    assert process.returncode == 0 and "clouds reported" in printed and page.stat().st_size > 20_000
    run = read_run(recording, "timing")
    numbers = [each.timing.completed - 1 for each in run.heard]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) and numbers[-1] < sent
    assert [each.timing for each in run.heard] == [a_timing(number) for number in numbers]
