# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`benchmark` as a person runs it: on toy networks, on the real one, and wrongly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.cli.tables import PERCENTILES
from pointpillars_ov_ros.config.runtime_config import Mode
from pointpillars_ov_ros.inference.pipeline.frames import ROWS
from pointpillars_ov_ros.inference.trace.reader import read_trace
from test.inference.toy_bundle import Trouble, Weakness, save_toy_bundle, toy_cloud
from test.shared_data import KITTI, KITTI_CAR, needs_shared_data

TIGER_LAKE = Path(__file__).parents[3] / "config" / "simulations" / "tiger_lake_igpu.yaml"
STAGES = ("convert", "queue", "pillars", "pfe", "scatter", "rpn", "decode", "message", "host", "in flight", "total")
FRAMES = 2
TRACES = ["--record-trace", "folder"]


def save_clouds(folder: Path, bright: int = -1) -> Path:
    """Save toy clouds, the one of that number too bright for a weak network."""
    folder.mkdir()
    for number in range(FRAMES):
        toy_cloud(number, number == bright).tofile(folder / f"{number:06}.bin")
    return folder


def benchmark(*arguments: object) -> int:
    return cli.main(["benchmark", *map(str, arguments)])


def assert_consistent(configuration: dict[str, Any]) -> None:
    """Figures that fit each other, whatever the time was."""
    durations_ms = configuration["durations_ms"]
    assert tuple(durations_ms) == STAGES
    for values in (*durations_ms.values(), *(bare["request_ms"] for bare in configuration["bare"].values())):
        assert list(values) == list(PERCENTILES)
        assert 0 <= values["p50"] <= values["p90"] <= values["p99"] <= values["max"]
    for part in ("pfe", "rpn", "host", "in flight"):
        assert durations_ms[part]["max"] <= durations_ms["total"]["max"]
    busy = configuration["busy_percent"]
    assert max(busy["pfe"], busy["rpn"]) <= busy["either"] + 1e-6 <= min(100.0, busy["pfe"] + busy["rpn"]) + 1e-3
    assert configuration["cpu_percent"] > 0
    assert 0 < configuration["rss_mb"] <= configuration["peak_rss_mb"]
    assert configuration["load_s"] > 0 and configuration["fps"] > 0
    assert all(configuration[name] > 0 for name in ("total_by_rpn", "fps_by_rpn"))
    assert set(configuration["effective"]) == set(configuration["bare"]) == {"pfe", "rpn"}
    assert configuration["effective"]["rpn"]["EXECUTION_DEVICES"] == "CPU"
    for bare in configuration["bare"].values():
        assert bare["requests"] >= 1 and bare["fps"] > 0
        assert bare["compile_s"] > 0


def test_every_mode_is_measured_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle, data = save_toy_bundle(tmp_path / "toy").folder, save_clouds(tmp_path / "clouds")
    report, picture = tmp_path / "out" / "report.json", tmp_path / "out" / "picture.png"
    assert benchmark(
        "--model", bundle, "--data", data, "--repeat", 2, "--mode", "all", "--encoder", "openvino",
        "--precision", "f32", "--json", report, "--picture", picture,
        "--record-trace", tmp_path / "traces",
    ) == 0  # fmt: skip
    for number, mode in enumerate(Mode, 1):
        trace = read_trace(tmp_path / "traces" / f"{number:02}_{mode.value}.json")
        assert f", {mode.value}, openvino static, f32" in trace.title and trace.devices == ("CPU", "CPU")
        assert len(trace.events) >= 2 * len(ROWS) * FRAMES and not trace.warning
    document = json.loads(report.read_text())
    assert document["data"] == {"frames": FRAMES, "median_points": 60, "rounds": 2}
    assert document["versions"]["openvino"]
    configurations = document["configurations"]
    assert [configuration["settings"]["mode"] for configuration in configurations] == [mode.value for mode in Mode]
    for configuration in configurations:
        assert_consistent(configuration)
        assert configuration["encoder"] == configuration["settings"]["encoder"] == "openvino"
        assert configuration["effective"]["rpn"]["INFERENCE_PRECISION_HINT"] == "f32"
    assert [c["slots"] for c in configurations[:2]] == [1, 2] and configurations[2]["slots"] >= 3
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 20_000
    lines = capsys.readouterr().out.splitlines()
    for mode in Mode:
        assert sum(line.startswith(f"{mode.value} ") and "openvino static" in line for line in lines) == 1
    for stage in STAGES:
        assert sum(line.startswith(f"{stage} ") for line in lines) >= len(Mode)


@needs_shared_data
def test_the_real_network_is_measured_with_the_host_encoder(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    assert benchmark(
        "--model", KITTI_CAR, "--data", KITTI / "training" / "velodyne_reduced", "--frames", FRAMES, "--repeat", 1,
        "--encoder", "host", "--pfe-shape", "all", "--json", report,
    ) == 0  # fmt: skip
    (configuration,) = json.loads(report.read_text())["configurations"]
    assert_consistent(configuration)
    assert configuration["effective"]["pfe"]["EXECUTION_DEVICES"] == "host"
    # Measured as a network all the same: what the host saves.
    assert configuration["bare"]["pfe"]["request_ms"]["p50"] > configuration["durations_ms"]["pfe"]["p50"]


def test_a_frame_that_fails_is_one_sentence_and_no_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = save_toy_bundle(tmp_path / "toy", Weakness("rpn", Trouble.FAILS)).folder
    data = save_clouds(tmp_path / "clouds", bright=1)
    report = tmp_path / "report.json"
    # As told, or by their values the wild intensity would be taken for one of another scale.
    flags = ("--frames", FRAMES, "--intensity-scale", 1, "--json", report)
    assert benchmark("--model", bundle, "--data", data, *flags) == 1
    text = capsys.readouterr().err
    errors = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "failed" in errors[0]
    assert "Traceback" not in text
    assert not report.exists()


@pytest.mark.parametrize("flag", [["--model", "m"], ["--data", "d"], ["--json", "j"], TRACES])
def test_what_a_simulation_has_not_got_is_refused(flag: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark("--simulate", TIGER_LAKE, *flag) == 1
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and text.startswith("error: ")
    assert flag[0] in text


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--pfe-block", "-1"], ["pfe_block", "-1"]),
        (["--data", "/nowhere"], ["/nowhere"]),
        (["--model", "/nowhere"], ["/nowhere"]),
        (["--device", "TOASTER", "--encoder", "openvino"], ["TOASTER", "CPU"]),
    ],
    ids=lambda value: value[0],
)
def test_what_cannot_be_is_one_sentence(
    flags: list[str], named: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = ["--model", save_toy_bundle(tmp_path / "toy").folder, "--data", save_clouds(tmp_path / "clouds")]
    assert benchmark(*inputs, *flags) == 1
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and text.startswith("error: ")
    assert all(word in text for word in named)


@pytest.mark.parametrize("flag", ["--mode", "--encoder", "--pfe-shape", "--precision"])
def test_an_unknown_value_is_named_with_those_that_there_are(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        benchmark(flag, "warp")
    assert end.value.code == 2
    text = capsys.readouterr().err
    assert flag in text and "warp" in text and "invalid choice" in text


def test_a_simulation_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "simulation.png"
    assert benchmark("--simulate", TIGER_LAKE, "--picture", picture) == 0
    assert "SIMULATED" in capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 20_000
