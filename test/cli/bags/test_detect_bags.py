# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov detect_bags`: every input once, whatever is killed in between, here and on workers of Ray."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pointpillars_ov_ros.bags.journal import JOURNAL
from pointpillars_ov_ros.bags.writer import BagWriter
from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.model.bundle import ModelBundle
from test.bags.bags import cloud, contents, write_bag
from test.inference.toy_bundle import Trouble, Weakness, save_toy_bundle, toy_cloud

Capture = pytest.CaptureFixture[str]
PATIENCE_S = 300.0
HAS_RAY = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed: make env EXTRAS=ray")
ENGINES = ["local", pytest.param("ray", marks=needs_ray)]
CLOUDS, BLOCKED = 12, 9


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return save_toy_bundle(tmp_path_factory.mktemp("model"))


def command(bundle: ModelBundle, out: Path, engine: str, *inputs: object) -> list[str]:
    arguments = ("detect_bags", *inputs, "--out", out, "--model", bundle.folder, "--encoder", "openvino")
    return [str(argument) for argument in (*arguments, "--engine", engine)]


def manifest(out: Path) -> dict[str, dict[str, Any]]:
    inputs = json.loads((out / "manifest.json").read_text())["inputs"]
    assert isinstance(inputs, dict)
    return inputs


def write_bags(folder: Path, count: int) -> list[Path]:
    return [
        write_bag(folder / f"drive_{k}", [cloud(toy_cloud(10 * k + number), number) for number in range(3 + k)])
        for k in range(count)
    ]


def write_blocked_frames(folder: Path) -> Callable[[], None]:
    """Write frames of which one never becomes complete; return a function that replaces it with a complete one."""
    folder.mkdir(parents=True)
    for number in range(CLOUDS):
        toy_cloud(number).tofile(folder / f"{number:02}.bin")
    blocked = folder / f"{BLOCKED:02}.bin"
    blocked.unlink()
    os.mkfifo(blocked)

    def unblock() -> None:
        # Whoever waits for the one that was there goes on waiting.
        toy_cloud(BLOCKED).tofile(folder.parent / "whole")
        (folder.parent / "whole").rename(blocked)

    return unblock


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)


def start(arguments: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "pointpillars_ov_ros.cli.main", *arguments])


def holder_of(path: Path) -> int:
    """Return the process that holds the lock of a file."""
    (line,) = [
        x for x in Path("/proc/locks").read_text().splitlines() if x.split()[5].endswith(f":{path.stat().st_ino}")
    ]
    return int(line.split()[4])


@pytest.mark.parametrize("engine", ENGINES)
def test_good_and_bad_inputs_are_told_apart_and_done_once(
    bundle: ModelBundle, tmp_path: Path, engine: str, capsys: Capture
) -> None:
    inputs, out = write_bags(tmp_path, 3), tmp_path / "out"
    with BagWriter(tmp_path / "silent") as bag:
        bag.add_topic("/said", "std_msgs/msg/String", latched=False)
    arguments = command(bundle, out, engine, *inputs, tmp_path / "silent", tmp_path / "nowhere")
    assert cli.main(arguments) == 1
    printed = capsys.readouterr().out
    assert "5 inputs: 3 done, 2 failed, 0 already done before" in printed and "1 000 clouds cost " in printed
    reports = manifest(out)
    assert [reports[path.name]["state"] for path in inputs] == ["done"] * 3
    assert [reports[path.name]["clouds"] for path in inputs] == [3, 4, 5]
    for name, reason in (("silent", "no topic of sensor_msgs/msg/PointCloud2"), ("nowhere", "no such bag")):
        assert reports[name]["state"] == "failed" and reason in reports[name]["reason"]
        assert reports[name]["attempts"] == 1, "another attempt could not have succeeded"
    assert sorted(path.name for path in out.iterdir()) == ["drive_0", "drive_1", "drive_2", "manifest.json"]
    for path in inputs:
        alone = tmp_path / "alone" / path.name
        single = ("detect_bag", path, "--out", alone, "--model", bundle.folder, "--encoder", "openvino")
        assert cli.main([str(argument) for argument in single]) == 0
        assert contents(out / path.name) == contents(alone)
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/*")}
    assert cli.main(arguments) == 1
    assert "3 already done before" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/*")} == before


def test_a_killed_driver_leaves_nothing_half_done(bundle: ModelBundle, tmp_path: Path, capsys: Capture) -> None:
    first, last = write_bags(tmp_path, 2)
    unblock, out = write_blocked_frames(tmp_path / "frames"), tmp_path / "out"
    arguments = command(bundle, out, "local", first, tmp_path / "frames", last)
    process = start(arguments)
    journal = out / "frames.partial" / JOURNAL
    wait_until(lambda: journal.is_file() and journal.stat().st_size > 5_000, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(manifest(out)) == [first.name]
    unblock()
    # As a driver leaves it that is killed before it has noted what is done.
    (out / "manifest.json").unlink()
    assert cli.main(arguments) == 0
    assert "3 inputs: 3 done, 0 failed, 1 already done before" in capsys.readouterr().out
    report = manifest(out)["frames"]
    assert report["clouds"] == CLOUDS and 0 < report["replayed"] < CLOUDS
    assert sorted(path.name for path in out.iterdir()) == ["drive_0", "drive_1", "frames", "manifest.json"]


@needs_ray
def test_the_job_of_a_killed_worker_is_done_by_another(bundle: ModelBundle, tmp_path: Path) -> None:
    bags, unblock, out = write_bags(tmp_path, 2), write_blocked_frames(tmp_path / "frames"), tmp_path / "out"
    process = start([*command(bundle, out, "ray", tmp_path / "frames", *bags), "--workers", "2", "--threads", "1"])
    journal = out / "frames.partial" / JOURNAL
    wait_until(lambda: journal.is_file() and journal.stat().st_size > 5_000, process)
    unblock()
    os.kill(holder_of(journal), signal.SIGKILL)
    assert process.wait(PATIENCE_S) == 0
    report = manifest(out)["frames"]
    assert report["attempts"] == 2 and report["clouds"] == CLOUDS and 0 < report["replayed"] < CLOUDS
    topics = [message.topic for message in contents(out / "frames")]
    assert topics.count("/points") == topics.count("/detections") == CLOUDS


@pytest.mark.parametrize("engine", ENGINES)
def test_an_input_that_fails_again_and_again_is_given_up(tmp_path: Path, engine: str) -> None:
    weak = save_toy_bundle(tmp_path / "weak", Weakness("rpn", Trouble.FAILS))
    # Each attempt gets one of them through, for the toy network fails but once in a process.
    clouds = [cloud(toy_cloud(number, bright=True), number) for number in range(5)]
    source = write_bag(tmp_path / "drive", clouds)
    options = ["--attempts", "2", "--intensity-scale", "1.0"]
    assert cli.main([*command(weak, tmp_path / "out", engine, source), *options]) == 1
    report = manifest(tmp_path / "out")["drive"]
    assert (report["state"], report["attempts"]) == ("failed", 2)
    assert report["reason"].startswith("cloud ")
    assert not (tmp_path / "out" / "drive").exists()


def test_other_settings_are_not_mixed_into_a_folder(bundle: ModelBundle, tmp_path: Path, capsys: Capture) -> None:
    inputs, out = write_bags(tmp_path, 1), tmp_path / "out"
    assert cli.main(command(bundle, out, "local", *inputs)) == 0
    capsys.readouterr()
    assert cli.main([*command(bundle, out, "local", *inputs), "--score-threshold", "0.9"]) == 1
    error = capsys.readouterr().err
    assert f"{out} was started with score_threshold 0.0, but now it is 0.9" in error


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--workers", "2"], "--workers and --address are for --engine ray"),
        (["--address", "auto"], "--workers and --address are for --engine ray"),
    ],
)
def test_wrong_flags_are_one_sentence(
    bundle: ModelBundle, tmp_path: Path, capsys: Capture, more: list[str], message: str
) -> None:
    assert cli.main([*command(bundle, tmp_path / "out", "local", tmp_path / "drive"), *more]) == 1
    assert message in capsys.readouterr().err


def test_inputs_of_one_name_are_one_sentence(bundle: ModelBundle, tmp_path: Path, capsys: Capture) -> None:
    twins = tmp_path / "a" / "drive", tmp_path / "b" / "drive"
    assert cli.main(command(bundle, tmp_path / "out", "local", *twins)) == 1
    error = f"error: {twins[0]} and {twins[1]} would both be written to {tmp_path / 'out' / 'drive'}"
    assert capsys.readouterr().err == f"{error}\n"


@pytest.mark.skipif(HAS_RAY, reason="Ray is installed")
def test_without_ray_its_engine_says_how_to_get_it(bundle: ModelBundle, tmp_path: Path, capsys: Capture) -> None:
    assert cli.main(command(bundle, tmp_path / "out", "ray", tmp_path / "drive")) == 1
    assert capsys.readouterr().err == "error: --engine ray needs Ray: `pip install ray` (the extra [ray])\n"
