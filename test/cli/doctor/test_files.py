# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov doctor FILE`: a healthy cloud is OK all through, and each made-up fault is named with its cure."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.model.shipped import shipped_model
from test.bags.bags import cloud, write_bag
from test.cli.doctor.page import doctor, drive_points, moved, odd
from test.clouds.cloud_files import pcd_bytes

Capture = pytest.CaptureFixture[str]
Change = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return drive_points()


def write(folder: Path, points: np.ndarray) -> Path:
    path = folder / "scan.bin"
    path.write_bytes(np.ascontiguousarray(points, np.float32).tobytes())
    return path


def test_on_a_healthy_set_up_there_is_nothing_but_ok(points: np.ndarray, tmp_path: Path, capsys: Capture) -> None:
    """With the bundled model on the CPU: loaded, compared in f32, and measured."""
    code, document = doctor(tmp_path, write(tmp_path, points))
    assert odd(document) == {}
    assert code == 0
    assert document["format"] == 1
    assert document["verdict"] == "OK"
    assert document["model"] == "streets_int8"
    names = [one["name"] for one in document["findings"]]
    for name in ("layout", "points", "coordinates", "intensity", "beams", "height"):
        assert f"cloud.{name}" in names
    for name in ("versions", "cpu", "devices", "kernels", "model", "parity", "speed"):
        assert f"machine.{name}" in names
    printed = capsys.readouterr().out
    assert "64 beams from -25.0 to +2.0 deg, every 0.17 deg of azimuth; the model was trained with 64" in printed
    assert "nothing to fix" in printed
    assert all(line[:6].strip() in ("", "OK") for line in printed.splitlines() if line.startswith(("OK", " ")))


def low(points: np.ndarray) -> np.ndarray:
    return moved(points, 0, 0, 1, 0, 0, 0)


def upside_down(points: np.ndarray) -> np.ndarray:
    return moved(points, 0, 0, 0, np.pi, 0, 0)


def tilted(points: np.ndarray) -> np.ndarray:
    return moved(points, 0, 0, 0, 0, 0.15, 0)


def bright(points: np.ndarray) -> np.ndarray:
    return points * np.array([1, 1, 1, 255], np.float32)


def utm(points: np.ndarray) -> np.ndarray:
    return points + np.array([691_000, 5_335_000, 520, 0], np.float32)


def millimetres(points: np.ndarray) -> np.ndarray:
    return points * np.array([1000, 1000, 1000, 1], np.float32)


def camera_axes(points: np.ndarray) -> np.ndarray:
    return np.column_stack([-points[:, 1], -points[:, 2], points[:, 0], points[:, 3]])


def dark(points: np.ndarray) -> np.ndarray:
    return points * np.array([1, 1, 1, 0], np.float32)


def without_echo(points: np.ndarray) -> np.ndarray:
    return points * np.float32(np.nan)


@pytest.mark.parametrize(
    ("change", "name", "level", "words", "cure"),
    [
        (low, "cloud.height", "FAULT", "0.7", "pointpillars_ov detect {path} --sensor-pose 0 0 -0.9"),
        (upside_down, "cloud.coordinates", "FAULT", "upside down", "--sensor-pose 0 0 0 3.1416 0 0"),
        (tilted, "cloud.height", "WARN", "the ground is tilted by", "--sensor-pose 0 0 "),
        (bright, "cloud.intensity", "WARN", "intensities range from 0 to 255", "--intensity-scale 0.0039216"),
        (dark, "cloud.intensity", "WARN", "every intensity is 0", "--intensity-scale"),
        (utm, "cloud.coordinates", "FAULT", "UTM", "subtract the sensor's position"),
        (millimetres, "cloud.coordinates", "FAULT", "in millimetres", "detect {path} --coordinate-scale 0.001"),
        (camera_axes, "cloud.coordinates", "FAULT", "as a camera's frame is", "--sensor-pose 0 0 0 -1.5708 0 -1.5708"),
        (without_echo, "cloud.points", "FAULT", "no valid point in 1 cloud", "with the sensor uncovered"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
def test_a_fault_is_named_with_its_cure(
    points: np.ndarray, tmp_path: Path, change: Change, name: str, level: str, words: str, cure: str
) -> None:
    path = write(tmp_path, change(points))
    code, document = doctor(tmp_path, path, "--no-model")
    assert code == 1
    found = odd(document)
    assert [one for one, each in found.items() if each["cures"]] == [name]
    assert found[name]["level"] == level
    assert words in found[name]["text"]
    assert cure.format(path=path) in found[name]["cures"][0]


@pytest.mark.parametrize("change", [low, upside_down, tilted, camera_axes, millimetres], ids=lambda one: one.__name__)
def test_the_cure_as_it_is_typed_mends_it(points: np.ndarray, tmp_path: Path, change: Change) -> None:
    path = write(tmp_path, change(points))
    _, document = doctor(tmp_path, path, "--no-model")
    (cure,) = (each["cures"][0] for each in odd(document).values() if each["cures"])
    flags = cure.removeprefix(f"pointpillars_ov detect {path} ").split()
    code, document = doctor(tmp_path, path, "--no-model", *flags)
    assert code == 0, odd(document)


def test_a_vlp_16_is_not_what_a_bundle_of_64_beams_knows(tmp_path: Path) -> None:
    code, document = doctor(tmp_path, write(tmp_path, drive_points("vlp_16")), "--no-model")
    assert code == 1
    (finding,) = odd(document).values()
    assert finding["name"] == "cloud.beams"
    assert finding["text"].startswith("16 beams from -15.0 to +15.0 deg, every 0.20 deg of azimuth")
    assert "trained with 64" in finding["text"]
    assert finding["cures"][0].startswith(f"pointpillars_ov adapt {tmp_path / 'scan.bin'} --out mine")


def test_an_intensity_scale_that_was_said_is_not_doubted_and_a_wrong_one_is(points: np.ndarray, tmp_path: Path) -> None:
    path = write(tmp_path, bright(points))
    assert doctor(tmp_path, path, "--no-model", "--intensity-scale", 1 / 255)[0] == 0
    code, document = doctor(tmp_path, path, "--no-model", "--intensity-scale", 1)
    assert code == 1
    assert "the network expects 0 to 1" in odd(document)["cloud.intensity"]["text"]


def test_a_bag_is_looked_at_with_its_rate_frame_and_stamps(points: np.ndarray, tmp_path: Path) -> None:
    some = points[::3].copy()
    bag = write_bag(tmp_path / "bag", [cloud(some, number) for number in range(6)])
    code, document = doctor(tmp_path, bag, "--no-model")
    texts = {one["name"]: one["text"] for one in document["findings"]}
    assert texts["cloud.rate"].startswith("10.0 clouds a second by their stamps, 0 ms of jitter")
    assert texts["cloud.frame"] == "frame_id 'velodyne'"
    assert texts["cloud.stamps"] == "clouds are 1 ms old when they were recorded"
    assert "intensity from 'intensity' x 1" in texts["cloud.layout"]
    assert code == 0, odd(document)


def test_of_a_bag_missing_clouds_and_an_empty_frame_are_said(points: np.ndarray, tmp_path: Path) -> None:
    some = points[::10].copy()
    numbers = [0, 1, 2, 5, 6, 7, 9]
    bag = write_bag(tmp_path / "bag", [cloud(some, number, frame_id="") for number in numbers])
    code, document = doctor(tmp_path, "--bag", bag, "--no-model")
    found = odd(document)
    assert code == 1
    assert "3 clouds of 10 missing" in found["cloud.rate"]["text"]
    assert "an empty frame_id" in found["cloud.frame"]["text"]
    assert "frame_id:=lidar" in found["cloud.frame"]["cures"][0]


def test_of_a_bag_without_that_topic_or_with_several_the_one_to_take_is_typed(
    points: np.ndarray, tmp_path: Path
) -> None:
    bag = write_bag(tmp_path / "bag", [cloud(points[::10].copy(), 0)])
    code, document = doctor(tmp_path, bag, "--no-model", "--topic", "/lidar")
    assert code == 1
    assert odd(document)["cloud.layout"]["cures"] == [f"pointpillars_ov doctor {bag} --topic /points"]


def test_a_topic_of_a_bag_without_a_message_is_said(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", [])
    code, document = doctor(tmp_path, bag, "--no-model")
    assert code == 1
    finding = odd(document)["cloud.layout"]
    assert "no message on /points" in finding["text"]
    assert finding["cures"][0].startswith("ros2 topic info -v /points")


def test_a_file_that_is_no_cloud_is_a_fault_with_the_next_step(tmp_path: Path) -> None:
    pointer = tmp_path / "scan.pcd"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    code, document = doctor(tmp_path, pointer, "--no-model")
    assert code == 1
    assert odd(document)["cloud.layout"]["cures"] == ["git lfs pull"]


def test_the_report_is_printed_alone_where_no_file_is_named(
    points: np.ndarray, tmp_path: Path, capsys: Capture
) -> None:
    assert cli.main(["doctor", str(write(tmp_path, points)), "--no-model", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["verdict"] == "OK"
    assert "nothing to fix" in printed.err


def test_an_input_is_never_written_over(points: np.ndarray, tmp_path: Path, capsys: Capture) -> None:
    path = write(tmp_path, points)
    before = path.read_bytes()
    with pytest.raises(SystemExit) as end:
        cli.main(["doctor", "--json", str(path)])
    assert end.value.code == 2
    assert "come before --json" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_the_log_of_the_process_is_afterwards_as_it_was(points: np.ndarray, tmp_path: Path) -> None:
    level = logging.getLogger("pointpillars_ov_ros").level
    cli.main(["doctor", str(write(tmp_path, points)), "--no-model"])
    assert logging.getLogger("pointpillars_ov_ros").level == level


def test_a_pcd_is_read(points: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "scan.pcd"
    path.write_bytes(pcd_bytes(points.tolist(), form="binary"))
    assert doctor(tmp_path, path, "--no-model")[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["missing.bin"],
        ["--bag", "missing"],
        ["--model", "."],
        ["--device", ""],
        ["--device", "no device"],
        ["--set", "A"],
    ],
)
def test_what_cannot_be_looked_at_is_one_sentence(
    arguments: list[str], tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    assert cli.main(["doctor", *arguments]) == 1
    text = capsys.readouterr().err
    assert text.startswith("error: ")
    assert text.count("\n") == 1


def test_without_ros_its_part_is_one_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    code, document = doctor(tmp_path, "--no-model", "--model", shipped_model())
    assert code == 0
    (note,) = odd(document).values()
    assert (note["name"], note["level"]) == ("ros.environment", "NOTE")


def test_a_reader_that_has_seen_enough_is_no_error(points: np.ndarray, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pointpillars_ov_ros.cli.main",
        "doctor",
        str(write(tmp_path, points)),
        "--no-model",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        # As `| true` does it.
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(120) == 141
    assert said == ""
