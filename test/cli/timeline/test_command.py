# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`timeline` as a person runs it: real batching on `BATCH:CPU(4)`, a simulated switch, and its picture and page."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from pathlib import Path
from statistics import median

import pytest

from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.cli.timeline import run as timeline_run
from pointpillars_ov_ros.cli.timeline.device import Done, OpenVinoDevice, SimulatedSwitch
from pointpillars_ov_ros.cli.timeline.recording import TimelineRun, read_recording
from pointpillars_ov_ros.cli.timeline.run import send
from pointpillars_ov_ros.config.errors import ConfigError
from test.inference.toy_bundle import save_toy_bundle

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMIUM_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TIMEOUT_MS = 400
"""Many times what the toy network takes."""


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a toy bundle."""
    return save_toy_bundle(tmp_path_factory.mktemp("toy")).folder


def timeline(*arguments: object) -> int:
    return cli.main(["timeline", *map(str, arguments)])


def record(toy: Path, out: Path, *flags: object) -> TimelineRun:
    """Record with automatic batching, and return the run."""
    assert timeline("auto-batch", "--model", toy, "--json", out, "--timeout", TIMEOUT_MS, *flags) == 0
    (run,) = read_recording(out).runs
    return run


def test_a_lone_request_waits_for_the_whole_timeout(toy: Path, tmp_path: Path) -> None:
    run = record(toy, tmp_path / "r.json", "--requests", 3, "--at-once", 1, "--interval", 0)
    # The first may find its batch waiting for it; its memory is set up meanwhile.
    assert all(entry.completed_ms - entry.accepted_ms >= 0.8 * TIMEOUT_MS for entry in run.requests[1:])
    assert run.effective["AUTO_BATCH_TIMEOUT"] == str(TIMEOUT_MS)


def test_four_together_do_not_wait(toy: Path, tmp_path: Path) -> None:
    # To close such a network takes as long as the timeout, too.
    long = 3000
    run = record(toy, tmp_path / "r.json", "--requests", 20, "--at-once", 4, "--interval", 0, "--timeout", long)
    assert median(entry.completed_ms - entry.accepted_ms for entry in run.requests) < long / 2


def test_a_lower_timeout_is_what_helps_a_lone_request(toy: Path, tmp_path: Path) -> None:
    lone = ["--requests", 2, "--at-once", 1, "--interval", 0]
    long, short = (record(toy, tmp_path / "r.json", *lone, "--timeout", ms).requests[1] for ms in (2000, 20))
    assert short.latency_ms < long.latency_ms / 2


def test_the_switch_to_a_simulated_device_is_recorded_drawn_and_marked(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, picture, page = (tmp_path / name for name in ("r.json", "r.png", "r.html"))
    flags = ["--model", toy, "--device", "CPU", "--requests", 40, "--interval", 25, "--simulate", "0.6:5"]
    outputs = ["--json", out, "--picture", picture, "--page", page]
    assert timeline("auto-switch", *flags, *outputs, "--cache-dir", tmp_path / "cache") == 0
    text = capsys.readouterr().out
    recording = read_recording(out)
    assert len(recording.runs) == 2 and any((tmp_path / "cache").iterdir())
    for run in recording.runs:
        assert run.simulated and f"SIMULATED: {run.simulated}" in text
        assert [entry.number for entry in run.requests] == list(range(40))
        assert {entry.device for entry in run.requests} == {"(CPU)", SimulatedSwitch.NAME}
        assert all(e.submitted_ms <= e.accepted_ms <= e.completed_ms for e in run.requests)
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 20_000
    before = picture.read_bytes()
    assert timeline("draw", out, "--picture", picture) == 0
    assert picture.read_bytes() == before


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("study", ["auto-batch", "auto-switch"])
def test_the_page_draws_every_request_in_a_browser(study: str, toy: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "r.json", tmp_path / "r.html"
    device = "BATCH:CPU(4)" if study == "auto-batch" else "CPU"
    flags = ["--model", toy, "--device", device, "--requests", 9, "--interval", 5, "--json", out, "--page", page]
    assert timeline(study, *flags) == 0
    assert "http" not in page.read_text().replace("http://www.w3.org/2000/svg", "")
    command = [str(CHROMIUM), *CHROMIUM_FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()]
    drawn = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout
    body = drawn[drawn.index("</script>") :] + drawn[: drawn.index("<script>")]
    if study == "auto-switch":
        assert body.count("<circle") == 9
    else:
        # Due to taken, and taken to done.
        assert body.count('stroke-width="5"') == body.count('stroke-width="7"') == 9
    assert "first result" in body and "as compiled" in body


class Slow:
    """A device that is done when the test says so."""

    def __init__(self) -> None:
        self.started: list[int] = []
        self.done: dict[int, Done] = {}

    def start(self, request: int, done: Done) -> None:
        self.started.append(request)
        self.done[request] = done

    def executing(self) -> str:
        return "SLOW"

    def effective(self) -> dict[str, str]:
        return {}


def test_no_more_requests_are_under_way_than_allowed_and_errors_are_kept() -> None:
    device, entries = Slow(), []
    sender = threading.Thread(target=lambda: entries.extend(send(device, time.monotonic(), 4, 0.0, 2)))
    sender.start()
    for step in range(4):
        while len(device.started) < min(step + 2, 4):
            time.sleep(0.001)
        assert len(device.started) <= step + 2
        device.done[device.started[step]]("broken" if step == 1 else "")
    sender.join(30)
    assert [entry.error for entry in entries] == ["", "broken", "", ""]
    assert {entry.device for entry in entries} == {"SLOW"}


def test_a_device_that_does_not_keep_up_is_said_once_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline_run, "_OVERLOADED_S", 0.05)
    device, said = Slow(), []
    sender = threading.Thread(target=lambda: send(device, time.monotonic(), 3, 0.001, 1, said.append))
    sender.start()
    for step in range(3):
        while len(device.started) <= step:
            time.sleep(0.001)
        assert bool(said) == (step > 0)
        time.sleep(0.1)
        device.done[device.started[step]]("")
    sender.join(30)
    assert len(said) == 1 and said[0] >= 0.05


def test_where_there_is_no_second_device_it_is_said_why_there_is_no_switch(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--model", toy, "--device", "CPU", "--requests", 2, "--interval", 1, "--json", tmp_path / "r.json"]
    assert timeline("auto-switch", *flags) == 0
    said = capsys.readouterr()
    assert "CPU means only the CPU on this machine, so there will be no switch; --simulate 3:20" in said.err
    assert timeline("auto-switch", *flags, "--simulate", "0.1:1") == 0
    assert "no switch" not in capsys.readouterr().err


def test_a_property_that_there_is_not_is_named_with_those_that_there_are(toy: Path) -> None:
    with pytest.raises(ConfigError, match=r"^WARP: AUTO:CPU has no such property; it supports .*NUM_STREAMS"):
        OpenVinoDevice(toy / "rpn.xml", "AUTO:CPU", {"WARP": "9"}, 1)


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["auto-batch", "--model", "/nowhere"], "/nowhere"),
        (["auto-batch", "--model", "{toy}", "--set", "NUM_STREAMS"], "NUM_STREAMS"),
        (["auto-batch", "--model", "{toy}", "--device", "TOASTER"], "TOASTER"),
        (["auto-switch", "--model", "{toy}", "--set", "NUM_STREAMS=many", "--device", "CPU"], "many"),
        (["draw", "/nowhere.json"], "/nowhere.json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_one_sentence(
    flags: list[str], named: str, toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert timeline(*(flag.format(toy=toy) for flag in flags)) == 1
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and named in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flag", [("--interval", "-1"), ("--simulate", "soon"), ("--requests", "0")])
def test_a_value_that_cannot_be_is_named(flag: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        timeline("auto-switch", *flag)
    assert flag[1] in capsys.readouterr().err
