# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov adapt`: sensors that it finds and writes, runs that leave all or nothing, and clouds of no use."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.cli.adapt.sensor_file import fit_losses, make_sensor
from pointpillars_ov_ros.clouds.sensor_estimate import estimate_sensor
from pointpillars_ov_ros.synthetic import Drive, Sensor, load_sensor, simulate
from pointpillars_ov_ros.synthetic.world.mount import MountModel
from test.bags.bags import cloud, write_bag
from test.clouds.rooms import room

Capture = pytest.CaptureFixture[str]
VLP = replace(load_sensor("vlp_16"), mounting_height=1.55, mount=MountModel(pitch_deg=-1.0, roll_deg=0.7))
HDL = replace(load_sensor("hdl_64e"), mounting_height=1.85, mount=MountModel(pitch_deg=3.0, roll_deg=-1.5))


def write_clouds(folder: Path, clouds: list[np.ndarray]) -> Path:
    folder.mkdir(parents=True)
    for number, points in enumerate(clouds):
        points.astype(np.float32).tofile(folder / f"{number:06d}.bin")
    return folder


def drive(sensor: Sensor, clouds: int = 8, seed: int = 5) -> list[np.ndarray]:
    return [frame.points for frame in Drive(sensor, seed, clouds, 1.0)]


def adapt(*arguments: object) -> int:
    return cli.main(["adapt", *map(str, arguments)])


@pytest.mark.parametrize("truth", [VLP, HDL], ids=["vlp", "tilted_hdl"])
def test_the_sensor_that_is_written_is_the_one_that_took_the_clouds(truth: Sensor, tmp_path: Path) -> None:
    clouds = write_clouds(tmp_path / "clouds", drive(truth))
    assert adapt(clouds, "--out", tmp_path / "out", "--sensor-only") == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sensor.yaml"]
    found = load_sensor(tmp_path / "out" / "sensor.yaml")
    np.testing.assert_allclose(np.degrees(found.elevations), np.degrees(truth.elevations), atol=0.2)
    np.testing.assert_allclose(found.heights, truth.heights, atol=0.02)
    assert found.columns == pytest.approx(truth.columns, rel=0.01)
    assert found.mounting_height == pytest.approx(truth.mounting_height, abs=0.03)
    assert found.mount.pitch_deg == pytest.approx(truth.mount.pitch_deg, abs=0.2)
    assert found.mount.roll_deg == pytest.approx(truth.mount.roll_deg, abs=0.2)
    # And simulates clouds like those it was told from.
    seen, real = simulate(found, 31).points, simulate(truth, 31).points
    assert len(seen) == pytest.approx(len(real), rel=0.1)
    assert np.median(seen[:, 3]) == pytest.approx(np.median(real[:, 3]), abs=0.05)
    assert np.mean(seen[:, 3] == 0) == pytest.approx(np.mean(real[:, 3] == 0), abs=0.06)


def test_the_loss_with_range_is_told_roughly() -> None:
    found = []
    for dark_range in (50.0, 125.0):
        sensor = load_sensor("vlp_16")
        sensor = replace(sensor, dropout=replace(sensor.dropout, dark_range=dark_range))
        estimate = estimate_sensor(drive(sensor, 5))
        fitted = fit_losses(make_sensor(estimate, "unknown"), estimate)
        # No better, since a bright road and a strong sensor look alike.
        assert dark_range / 2 < fitted.dropout.dark_range < 2 * dark_range
        found.append(fitted.dropout.dark_range)
    assert found[0] < found[1]


def test_a_known_sensor_is_taken_where_the_clouds_agree(tmp_path: Path) -> None:
    clouds = write_clouds(tmp_path / "clouds", drive(load_sensor("vlp_16"), 5))
    assert adapt(clouds, "--out", tmp_path / "out", "--sensor-only", "--sensor", "vlp_16") == 0
    assert load_sensor(tmp_path / "out" / "sensor.yaml") == load_sensor("vlp_16")


def ground_less(points: np.ndarray) -> np.ndarray:
    return points[points[:, 2] > -1.0]


BAD = {
    "contradicts": (lambda: drive(VLP, 5), ["--sensor", "hdl_64e"], ["hdl_64e contradicts the clouds", "show 16"]),
    "no ground": (lambda: [ground_less(one) for one in drive(VLP, 5)], [], ["no ground was found in most of 5 clouds"]),
    "indoors": (lambda: [room(seed) for seed in range(6)], [], ["taken indoors"]),
    "three": (lambda: drive(VLP, 3), [], ["3 clouds", "at least 5"]),
    "empty": (lambda: [np.zeros((0, 4))] * 6, [], ["contain no valid point"]),
    "no such sensor": (lambda: drive(VLP, 5), ["--sensor", "nowhere"], ["neither one of"]),
}


@pytest.mark.parametrize("case", BAD)
def test_clouds_of_no_use_are_one_sentence_and_nothing_is_written(case: str, tmp_path: Path, capsys: Capture) -> None:
    make, more, says = BAD[case]
    clouds = write_clouds(tmp_path / "clouds", make())
    assert adapt(clouds, "--out", tmp_path / "out", "--sensor-only", *more) == 1
    text = capsys.readouterr().err
    assert text.startswith("error: ") and text.count("\n") == 1
    assert all(words in text for words in says), text
    assert [path.name for path in tmp_path.iterdir()] == ["clouds"]


def test_a_bag_from_indoors_is_one_sentence(tmp_path: Path, capsys: Capture) -> None:
    bag = write_bag(tmp_path / "bag", [cloud(room(number), number) for number in range(6)])
    assert adapt(bag, "--out", tmp_path / "out", "--sensor-only") == 1
    assert "taken indoors" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_sensor_at_another_height_contradicts(tmp_path: Path, capsys: Capture) -> None:
    clouds = write_clouds(tmp_path / "clouds", drive(replace(load_sensor("vlp_16"), mounting_height=2.2), 5))
    assert adapt(clouds, "--out", tmp_path / "out", "--sensor-only", "--sensor", "vlp_16") == 1
    assert "mounting_height is 1.73 m, in the clouds 2." in capsys.readouterr().err


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path, capsys: Capture) -> None:
    clouds = write_clouds(tmp_path / "clouds", [room(0)])
    assert adapt(clouds, "--out", clouds, "--sensor-only") == 1
    assert "already exists" in capsys.readouterr().err


def test_without_torch_a_sentence_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert adapt(tmp_path, "--out", tmp_path / "out") == 1
    assert "pip install torch" in capsys.readouterr().err


class TestTraining:
    """The whole of it, with a tiny network."""

    @pytest.fixture
    def weights(self, tmp_path: Path) -> Path:
        pytest.importorskip("torch", reason="torch is not installed, which only training needs")
        from pointpillars_ov_ros.training.checkpoint import save_checkpoint
        from test.training.runs import checkpoint_of, tiny_trainer

        save_checkpoint(tmp_path / "tiny.pth", checkpoint_of(tiny_trainer()))
        return tmp_path / "tiny.pth"

    @pytest.fixture
    def few_scenes(self, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Simulate 6 scenes for the bank and the norms in place of 69, which take minutes and show no more."""
        from pointpillars_ov_ros.training import session

        read_settings = session.read_settings
        monkeypatch.setattr(session, "read_settings", lambda options: replace(read_settings(options), bank_scenes=2))
        monkeypatch.setattr(session, "_SETTLING", 4)

    @pytest.mark.usefixtures("few_scenes")
    def test_a_run_leaves_a_bundle_for_the_sensor_and_says_what_it_could_not_do(
        self, weights: Path, tmp_path: Path, capsys: Capture
    ) -> None:
        from pointpillars_ov_ros.model.bundle import load_bundle

        clouds, out = write_clouds(tmp_path / "clouds", drive(VLP, 5)), tmp_path / "out"
        short = ("--steps", 2, "--batch", 1, "--held-out", 2, "--workers", 0)
        assert adapt(clouds, "--out", out, "--from", weights, *short) == 0
        made = {path.name for path in out.iterdir()}
        assert made == {"sensor.yaml", "bundle", "weights.pth", "report.md", "before.png", "after.png"}
        config = load_bundle(out / "bundle").config
        assert config.sensor.height == pytest.approx(1.55, abs=0.03)
        assert config.postprocess.ground_clearance is not None
        report = (out / "report.md").read_text()
        # So small a network sees no more than a few metres of the street.
        assert "fewer than 10 examples" in report and "On your 5 clouds, which have no labels" in report
        assert "before" in report and "after" in report
        assert {path.name for path in tmp_path.iterdir()} == {"clouds", "out", "tiny.pth"}

    def test_weights_that_are_none_leave_nothing(self, weights: Path, tmp_path: Path, capsys: Capture) -> None:
        clouds = write_clouds(tmp_path / "clouds", drive(VLP, 5))
        weights.write_bytes(b"no checkpoint")
        assert adapt(clouds, "--out", tmp_path / "out", "--from", weights) == 1
        assert capsys.readouterr().err.count("\n") == 1
        assert adapt(clouds, "--out", tmp_path / "out", "--from", tmp_path / "nowhere.pth") == 1
        assert "--from names the weights" in capsys.readouterr().err
        assert {path.name for path in tmp_path.iterdir()} == {"clouds", "tiny.pth"}
