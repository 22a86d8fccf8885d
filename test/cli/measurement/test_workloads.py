# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The timed work is the intended one: clouds through a toy engine, and bare requests that only count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from sensor_msgs.msg import PointCloud2
from sensor_msgs_py.point_cloud2 import create_cloud
from std_msgs.msg import Header

from pointpillars_ov_ros.cli.measurement import workloads
from pointpillars_ov_ros.cli.measurement.workloads import Runner, run_at_once, run_side_by_side
from pointpillars_ov_ros.config.errors import InferenceError
from pointpillars_ov_ros.config.runtime_config import DropPolicy, Mode, RuntimeConfig
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.pipeline.frames import Stage, StageEvent
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.ros.kitti_messages import FIELDS
from test.inference.toy_bundle import Trouble, Weakness, save_toy_bundle, toy_cloud


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return save_toy_bundle(tmp_path_factory.mktemp("toy") / "model")


def clouds(count: int) -> list[PointCloud2]:
    return [create_cloud(Header(frame_id=str(number)), FIELDS, toy_cloud(number)) for number in range(count)]


@contextmanager
def running(bundle: ModelBundle, mode: Mode, on_event: Callable[[StageEvent], None] | None = None) -> Iterator[Runner]:
    runner = Runner(Engine(bundle, RuntimeConfig(mode=mode, drop_policy=DropPolicy.REPLAY)), on_event)
    yield runner
    runner.close()


@pytest.mark.parametrize("mode", Mode)
def test_a_round_counts_the_clouds_given_and_no_others(bundle: ModelBundle, mode: Mode) -> None:
    with running(bundle, mode) as runner:
        for count in (1, 5):
            measured = runner.run(clouds(count))
            tokens = [left.result.token.frame_id for left in measured.frames]
            assert tokens == [str(number) for number in range(count)]
            assert len(measured.around) == len(runner.left) > count
            before = next(left for left, after in zip(runner.left, runner.left[1:], strict=False)
                          if after is measured.frames[0])  # fmt: skip
            assert (measured.begin_ns, measured.end_ns) == (before.at_ns, measured.frames[-1].at_ns)
            assert measured.cpu_ns == measured.frames[-1].cpu_ns - before.cpu_ns > 0
            assert measured.fps == pytest.approx(count * 1e9 / (measured.end_ns - measured.begin_ns))


def test_in_latency_mode_no_cloud_is_converted_before_the_last_one_has_left(bundle: ModelBundle) -> None:
    with running(bundle, Mode.LATENCY) as runner:
        runner.run(clouds(4))
        for before, after in zip(runner.left, runner.left[1:], strict=False):
            assert after.result.times.span_ns(Stage.CONVERT)[0] >= before.at_ns


@pytest.mark.parametrize("mode", [Mode.BALANCED, Mode.THROUGHPUT])
def test_in_the_other_modes_clouds_are_sent_while_others_are_under_way(bundle: ModelBundle, mode: Mode) -> None:
    with running(bundle, mode) as runner:
        runner.run(clouds(6))
        begins = [left.result.times.span_ns(Stage.CONVERT)[0] for left in runner.left]
        assert any(begin < left.at_ns for left, begin in zip(runner.left, begins[1:], strict=False))


def test_times_are_from_message_to_message(bundle: ModelBundle) -> None:
    with running(bundle, Mode.LATENCY) as runner:
        (left,) = runner.run(clouds(1)).frames
        assert left.total_ms >= left.result.times.total_ms + left.message_ms
        assert left.host_ms == left.result.times.host_ms + left.message_ms


def test_the_trace_is_given_on(bundle: ModelBundle) -> None:
    events: list[StageEvent] = []
    with running(bundle, Mode.LATENCY, events.append) as runner:
        runner.run(clouds(1))
    assert {event.stage for event in events} == set(Stage) - {Stage.CONVERT}


def test_a_frame_that_fails_ends_the_measurement(tmp_path: Path) -> None:
    weak = save_toy_bundle(tmp_path / "model", Weakness("rpn", Trouble.FAILS))
    bright = create_cloud(Header(), FIELDS, toy_cloud(7, bright=True))
    with running(weak, Mode.LATENCY) as runner, pytest.raises(InferenceError, match="frame 1 failed: "):
        runner.run([bright, *clouds(1)])


class CountingRequest:
    """A request that is done at once, or never, and only notes what is done with it."""

    def __init__(self, log: list[str], name: str, hangs: bool = False) -> None:
        self._log, self._name, self._hangs = log, name, hangs

    def start(self, done: Callable[[], None]) -> None:
        self._log.append(f"start {self._name}")
        if not self._hangs:
            done()

    def finish(self) -> None:
        self._log.append(f"finish {self._name}")


@pytest.mark.parametrize(("requests", "total"), [(1, 1), (1, 5), (3, 1), (3, 7)])
def test_as_many_inferences_run_as_there_are_requests_before_and_after_too(requests: int, total: int) -> None:
    log: list[str] = []
    assert run_at_once([CountingRequest(log, str(number)) for number in range(requests)], total) > 0
    running = np.cumsum([1 if line.startswith("start") else -1 for line in log])
    assert len(log) == 2 * (total + 2 * requests)
    assert (running.max(), running[-1]) == (requests, 0)
    assert all(running[requests : -requests - 1] >= requests - 1)


def test_a_request_that_hangs_is_given_up_and_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workloads, "_HANGS_S", 0.1)
    log: list[str] = []
    with pytest.raises(InferenceError, match=r"did not end within 0.1 s"):
        run_at_once([CountingRequest(log, "hanging", hangs=True), CountingRequest(log, "other")], 5)
    # All inferences but the one that hangs.
    assert log.count("finish other") == log.count("start other") == 5 + 2 * 2 - 1


def test_side_by_side_both_run_until_the_slower_one_is_done() -> None:
    log: list[str] = []
    assert min(run_side_by_side(CountingRequest(log, "one"), CountingRequest(log, "other"), 4)) > 0
    for name in ("one", "other"):
        assert log.count(f"start {name}") == log.count(f"finish {name}") >= 5
    assert log[0].startswith("start") and log[1].startswith("start") and log[-1].startswith("finish")


def test_side_by_side_one_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workloads, "_HANGS_S", 0.1)

    class Slow(CountingRequest):
        """Ends only once, so that the other one would go on for good."""

        def start(self, done: Callable[[], None]) -> None:
            self._hangs = f"start {self._name}" in self._log
            super().start(done)

    log: list[str] = []
    with pytest.raises(InferenceError, match=r"did not end within 0.1 s"):
        run_side_by_side(Slow(log, "one"), Slow(log, "other"), 5)
