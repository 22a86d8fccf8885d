# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The simulated device, profiles, and what the shipped profile comes out at."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.config.mapping import to_mapping
from pointpillars_ov_ros.config.runtime_config import Mode
from pointpillars_ov_ros.inference.pipeline.frames import Stage, StageEvent
from pointpillars_ov_ros.inference.simulation.clock import VirtualClock
from pointpillars_ov_ros.inference.simulation.device import SimulatedDevice
from pointpillars_ov_ros.inference.simulation.simulate import (
    SimulationProfile,
    SimulationReport,
    StageMilliseconds,
    load_profile,
    run_simulation,
)

pytest.importorskip("hypothesis", reason="properties need it: `make env`, or pip install hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st

PROFILES = Path(__file__).parents[3] / "config" / "simulations"
TIGER_LAKE = PROFILES / "tiger_lake_igpu.yaml"


def profile(*stages_ms: float, slow_down: float = 2.0, devices: tuple[str, str] = ("GPU", "GPU")) -> SimulationProfile:
    return SimulationProfile("a machine", "this test", StageMilliseconds(*stages_ms), *devices, slow_down)


class Ends:
    """Starts inferences on a device, and notes when they end."""

    def __init__(self, slow_down: float) -> None:
        self.clock = VirtualClock()
        self.device = SimulatedDevice(self.clock, slow_down)
        self.at_ns: dict[str, int] = {}

    def start(self, name: str, alone_ns: int, at_ns: int = 0) -> None:
        self.clock.call_at(at_ns, lambda: self._start(name, alone_ns))

    def _start(self, name: str, alone_ns: int) -> None:
        self.device.start(alone_ns, lambda: self.at_ns.update({name: self.clock.now_ns()}))


def test_an_inference_alone_takes_its_time() -> None:
    ends = Ends(slow_down=2.0)
    ends.start("a", 100, at_ns=50)
    ends.clock.advance(1000)
    assert ends.at_ns == {"a": 150}
    assert ends.device.busy_ns == 100


@pytest.mark.parametrize(
    ("slow_down", "a", "b"),
    [
        # Together from 40 on: a has 60 left, which takes 60 times the slow-down; then b goes on alone.
        (1.0, 100, 140),
        (1.5, 130, 170),
        (2.0, 160, 200),
        (3.0, 220, 260),
    ],
)
def test_inferences_slow_each_other_down_while_they_overlap(slow_down: float, a: int, b: int) -> None:
    ends = Ends(slow_down)
    ends.start("a", 100)
    ends.start("b", 100, at_ns=40)
    ends.clock.advance(1000)
    assert ends.at_ns == {"a": a, "b": b}
    assert ends.device.busy_ns == b


def test_an_inference_that_ends_together_with_another_ends_once() -> None:
    ends = Ends(slow_down=2.0)
    ends.start("a", 100)
    ends.start("b", 100)
    ends.clock.advance(1000)
    assert ends.at_ns == {"a": 200, "b": 200}


def test_an_idle_device_is_not_busy() -> None:
    ends = Ends(slow_down=2.0)
    ends.start("a", 10)
    ends.start("b", 10, at_ns=500)
    ends.clock.advance(1000)
    assert ends.device.busy_ns == 20


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**8)), min_size=1, max_size=8))
def test_a_device_that_does_one_after_the_other_never_loses_or_gains_work(starts: list[tuple[int, int]]) -> None:
    ends = Ends(slow_down=2.0)
    for index, (at_ns, alone_ns) in enumerate(starts):
        ends.start(str(index), alone_ns, at_ns)
    ends.clock.advance(10**10)
    assert len(ends.at_ns) == len(starts)
    assert ends.device.busy_ns == pytest.approx(sum(alone_ns for _, alone_ns in starts), abs=2 * len(starts))


def test_the_latency_mode_is_the_sum_of_the_stages() -> None:
    report = run_simulation(profile(1.0, 2.0, 3.0, 4.0, 5.0), Mode.LATENCY, 50)
    assert report.latency_p50_ms == report.latency_p90_ms == pytest.approx(15.0)
    assert report.fps == pytest.approx(1000 / 15)
    assert report.device_load == {"GPU": pytest.approx(100 * 6 / 15)}
    assert report.host_load == pytest.approx(100 * 9 / 15)


def test_no_mode_is_faster_than_the_device_and_throughput_reaches_it() -> None:
    report = run_simulation(profile(2.0, 30.0, 1.0, 50.0, 2.0), Mode.THROUGHPUT, 50)
    assert report.fps == pytest.approx(1000 / 80)
    assert report.device_load["GPU"] == pytest.approx(100.0)


def test_networks_on_devices_of_their_own_do_not_slow_each_other_down() -> None:
    report = run_simulation(profile(2.0, 30.0, 1.0, 50.0, 2.0, devices=("NPU", "GPU")), Mode.THROUGHPUT, 50)
    assert report.fps == pytest.approx(1000 / 50)
    assert report.device_load == {"NPU": pytest.approx(60.0), "GPU": pytest.approx(100.0)}


@pytest.mark.parametrize("mode", Mode)
def test_a_sensor_slower_than_the_machine_loses_no_cloud_and_waits_for_none(mode: Mode) -> None:
    report = run_simulation(profile(1.0, 10.0, 1.0, 20.0, 1.0), mode, 50, period_ms=100.0)
    assert report.fps == pytest.approx(10.0)
    assert report.latency_p50_ms == pytest.approx(33.0)
    assert report.wait_p50_ms == 0.0
    assert report.counts.dropped == 0


@pytest.mark.parametrize("mode", Mode)
def test_a_sensor_faster_than_the_machine_has_its_older_clouds_dropped(mode: Mode) -> None:
    report = run_simulation(profile(1.0, 10.0, 1.0, 20.0, 1.0), mode, 50, period_ms=7.0)
    assert report.counts.dropped > 0
    assert report.wait_p50_ms <= 7.0


def test_the_report_has_the_times_of_every_frame_and_the_trace_can_be_followed() -> None:
    events: list[StageEvent] = []
    report = run_simulation(profile(1.0, 2.0, 3.0, 4.0, 5.0), Mode.BALANCED, 30, on_event=events.append)
    assert len(report.times) == report.frames == 30
    assert all(times.duration_ms(Stage.SCATTER) == 3.0 for times in report.times)
    assert {event.stage for event in events} == set(Stage) - {Stage.CONVERT}


def test_the_report_is_a_line_of_a_table() -> None:
    report = run_simulation(profile(1.0, 2.0, 3.0, 4.0, 5.0), Mode.LATENCY, 30)
    assert report.cells() == ["latency", "66.67", "15.0", "15.0", "GPU 40.0 %", "60.0 %"]
    assert len(report.cells()) == len(SimulationReport.COLUMNS)


def test_simulating_the_same_again_gives_the_same() -> None:
    machine = profile(3.0, 20.0, 2.0, 31.0, 4.0, slow_down=1.3)
    assert run_simulation(machine, Mode.THROUGHPUT, 40) == run_simulation(machine, Mode.THROUGHPUT, 40)


@pytest.mark.parametrize("mode", Mode)
def test_stages_that_take_no_time_do_not_stop_the_simulation(mode: Mode) -> None:
    assert run_simulation(profile(0.0, 0.0, 0.0, 0.0, 0.0), mode, 10, period_ms=1.0).latency_p90_ms == 0.0


@pytest.mark.parametrize(("frames", "period_ms", "message"), [(0, None, "frames: 0"), (5, 0.0, "period_ms: 0.0")])
def test_a_simulation_of_nothing_is_refused(frames: int, period_ms: float | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run_simulation(profile(1.0, 2.0, 3.0, 4.0, 5.0), Mode.LATENCY, frames, period_ms)


@pytest.mark.parametrize("path", sorted(PROFILES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_profile_can_be_read_and_runs_in_every_mode(path: Path) -> None:
    for mode in Mode:
        assert run_simulation(load_profile(path), mode, 20).fps > 0.0


def tiger_lake(**stages_ms: float) -> dict[Mode, SimulationReport]:
    shipped = load_profile(TIGER_LAKE)
    changed = dataclasses.replace(shipped, stages_ms=dataclasses.replace(shipped.stages_ms, **stages_ms))
    return {mode: run_simulation(changed, mode, 100) for mode in Mode}


def test_the_origins_machine_comes_out_at_what_was_published() -> None:
    """11.1 FPS, 154.7 ms, and an iGPU load of 95 % in throughput and 86 % in balanced mode."""
    reports = tiger_lake()
    assert reports[Mode.THROUGHPUT].fps == pytest.approx(11.1, abs=0.05)
    assert reports[Mode.LATENCY].latency_p50_ms == pytest.approx(154.7, abs=0.5)
    assert reports[Mode.THROUGHPUT].device_load["GPU"] == pytest.approx(95.0, abs=1.0)
    assert reports[Mode.BALANCED].device_load["GPU"] == pytest.approx(86.0, abs=1.0)


def test_the_rest_of_the_reconstruction_is_what_its_notes_say() -> None:
    reports = tiger_lake()
    assert reports[Mode.LATENCY].fps == pytest.approx(6.5, abs=0.05)
    assert reports[Mode.LATENCY].device_load["GPU"] == pytest.approx(55.0, abs=0.5)
    assert reports[Mode.BALANCED].fps == pytest.approx(10.1, abs=0.06)
    assert reports[Mode.BALANCED].latency_p50_ms == pytest.approx(199.0, abs=0.5)
    assert reports[Mode.THROUGHPUT].latency_p50_ms == pytest.approx(270.0, abs=0.5)


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.1])
@pytest.mark.parametrize("stage", ["pre", "pfe", "scatter", "rpn", "post"])
def test_the_modes_keep_the_published_order_though_a_stage_be_ten_percent_off(stage: str, factor: float) -> None:
    reports = tiger_lake(**{stage: factor * getattr(load_profile(TIGER_LAKE).stages_ms, stage)})
    latency, balanced, throughput = (reports[mode] for mode in (Mode.LATENCY, Mode.BALANCED, Mode.THROUGHPUT))
    assert throughput.fps > balanced.fps > latency.fps
    assert latency.latency_p50_ms < balanced.latency_p50_ms < throughput.latency_p50_ms
    assert throughput.device_load["GPU"] > balanced.device_load["GPU"] > latency.device_load["GPU"]


def test_a_reconstructed_profile_says_so() -> None:
    shipped = load_profile(TIGER_LAKE)
    assert "reconstructed" in shipped.name
    assert "11.1 FPS" in shipped.source


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("slow_down", 0.5, "slow_down: 0.5"),
        ("slow_down", "twice", "slow_down: expected float"),
        ("name", "", "name: ''"),
        ("source", "", "source: ''"),
        ("pfe_device", "", "pfe_device: ''"),
        ("rpn_device", 7, "rpn_device: expected str, got 7"),
        ("stages_ms", {"pre": 1.0}, "stages_ms.pfe: missing"),
        ("stages_ms", [1, 2, 3, 4, 5], "stages_ms: expected a mapping"),
        ("turbo", True, "turbo: unknown key"),
    ],
)
def test_a_profile_with_a_bad_value_is_refused_by_its_name(tmp_path: Path, key: str, value: Any, message: str) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(yaml.safe_dump(to_mapping(profile(1.0, 2.0, 3.0, 4.0, 5.0)) | {key: value}))
    with pytest.raises(ConfigError, match=message) as caught:
        load_profile(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), 1e9])
def test_a_stage_cannot_take_any_time(value: float) -> None:
    with pytest.raises(ConfigError, match=r"stages_ms\.rpn"):
        StageMilliseconds(1.0, 2.0, 3.0, value, 5.0)


@pytest.mark.parametrize("text", ["a: [", "just words", ""])
def test_a_file_that_is_no_profile_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"profile\.yaml"):
        load_profile(path)


def test_a_profile_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_profile(tmp_path / "none.yaml")
