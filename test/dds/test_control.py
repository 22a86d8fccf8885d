# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Changes while the detector runs: its networks, its classes; and the memory returned by cleanup."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import GetState
from std_srvs.srv import Trigger
from vision_msgs.msg import Detection3DArray

from pointpillars_ov_ros.cli.processes import NodeProcesses
from pointpillars_ov_ros.config.runtime_config import EncoderChoice, RuntimeConfig
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.ros.conversions import from_detection_array
from test.dds.peers import Peer, call, change_state, nodes, peer, set_parameter, stamp_of
from test.inference.toy_bundle import save_toy_bundle, toy_cloud

pytestmark = pytest.mark.usefixtures("ros")

DETECTOR = "pointpillars_detector"
THRESHOLD = 0.5


class Running(NamedTuple):
    """A detector of toy networks, in replay, that has answered."""

    sender: Peer
    processes: NodeProcesses
    bundle: ModelBundle


@contextmanager
def detecting(folder: Path, bundle: ModelBundle, **parameters: object) -> Iterator[Running]:
    with peer() as sender, nodes(folder / "logs") as processes:
        settings = {"model_dir": str(bundle.folder), "encoder": "openvino", "lean_rpn": False}
        processes.start(DETECTOR, {**settings, "drop_policy": "replay", "score_threshold": THRESHOLD, **parameters})
        sender.connect(toy_cloud(0), processes)
        sender.wait_until(lambda: len(sender.detections) == len(sender.timings), "the detections", processes)
        yield Running(sender, processes, bundle)


@pytest.fixture(scope="module")
def started(ros: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return a detector that the tests below share: each start takes seconds."""
    folder = tmp_path_factory.mktemp("started")
    with detecting(folder, save_toy_bundle(folder / "first")) as running:
        yield running


@pytest.fixture
def running(started: Running) -> Iterator[Running]:
    """Return that detector, active, with its first networks, all classes, and its last cloud answered."""
    yield started
    sender, processes, first = started
    for name, value in (("model_dir", str(first.folder)), ("classes", ""), ("nms_threshold", 0.0)):
        assert set_parameter(sender, name, value)[0]
    if state_of(sender) == State.PRIMARY_STATE_ACTIVE:
        assert trigger(sender, "reload")[0]
    else:
        assert change_state(sender, Transition.TRANSITION_CONFIGURE)
        assert change_state(sender, Transition.TRANSITION_ACTIVATE)
    sender.connect(toy_cloud(0), processes)


def state_of(sender: Peer) -> int:
    return int(call(sender, GetState, "get_state", GetState.Request()).current_state.id)


def trigger(sender: Peer, name: str) -> tuple[bool, str]:
    answer = call(sender, Trigger, name, Trigger.Request())
    return answer.success, answer.message


def send(sender: Peer) -> tuple[int, int]:
    cloud = sender.make_cloud(toy_cloud(0))
    sender.clouds.publish(cloud)
    return stamp_of(cloud)


def scores(array: Detection3DArray) -> tuple[float, ...]:
    return tuple(detection.results[0].hypothesis.score for detection in array.detections)


def expected(bundle: ModelBundle) -> list[float]:
    """Return the scores of the one cloud sent, directly from the engine."""
    settings = RuntimeConfig(encoder=EncoderChoice.OPENVINO, lean_rpn=False, score_threshold=THRESHOLD)
    engine = Engine(bundle, settings)
    return engine.slots[0].detect(toy_cloud(0), engine.settings).scores.tolist()


def test_another_bundle_takes_over_while_clouds_come_and_none_is_lost(running: Running, tmp_path: Path) -> None:
    sender, processes, first = running
    second = save_toy_bundle(tmp_path / "second", seed=6)
    before = sender.timings[-1]
    assert set_parameter(sender, "model_dir", str(second.folder))[0]
    client = sender.create_client(Trigger, f"/{DETECTOR}/reload")
    sender.wait_until(client.service_is_ready, "the service")
    start, reports = len(sender.detections), len(sender.timings)
    sent, after = [send(sender)], 0
    sender.wait_until(lambda: len(sender.detections) > start, "a result of the first networks", processes)
    future = client.call_async(Trigger.Request())
    while after < 5:
        sent.append(send(sender))
        sender.wait_until(lambda: len(sender.timings) >= reports + len(sent) - 3, "a result", processes)
        after += future.done()
    assert (future.result().success, future.result().message) == (True, "switched to toy_6; parity: ok")
    sender.wait_until(lambda: len(sender.detections) == start + len(sent), "all results", processes)
    sender.wait_until(lambda: len(sender.timings) == reports + len(sent), "all reports", processes)
    assert [stamp_of(array) for array in sender.detections[start:]] == sent
    answers = [answer for answer, _ in groupby(sender.detections[start:], scores)]
    wanted = [expected(first), expected(second)]
    assert len(wanted[0]) and len(wanted[1]) and wanted[0] != wanted[1]
    assert len(answers) == 2, "the networks changed back and forth, or not at all"
    for answer, scores_wanted in zip(answers, wanted, strict=True):
        np.testing.assert_allclose(answer, scores_wanted, rtol=1e-5)
    last = sender.timings[-1]
    print(f"{len(sent)} clouds sent while it reloads, {last.completed - before.completed} detected")
    assert last.completed == before.completed + len(sent)
    assert (last.failed, last.dropped, last.refused, last.lost) == (0, 0, 0, 0)


def test_while_networks_are_loaded_everything_else_is_served(running: Running) -> None:
    """The bundled model takes a second and more to load; an answer, milliseconds."""
    sender, processes, _ = running
    assert set_parameter(sender, "model_dir", "")[0]
    client = sender.create_client(Trigger, f"/{DETECTOR}/reload")
    sender.wait_until(client.service_is_ready, "the service")
    future, begin_s = client.call_async(Trigger.Request()), time.monotonic()
    assert set_parameter(sender, "nms_threshold", 0.2) == (True, "")
    stamp = send(sender)
    sender.wait_until(lambda: stamp in sender.timing_of, "a result of the first networks", processes)
    served_s = time.monotonic() - begin_s
    assert state_of(sender) == State.PRIMARY_STATE_ACTIVE
    assert trigger(sender, "reload") == (False, "~/reload is already in progress")
    assert not future.done(), "nothing was served before the networks were loaded"
    sender.wait_until(future.done, "the new networks", processes)
    print(f"a parameter and a cloud served after {served_s:.2f} s, loaded after {time.monotonic() - begin_s:.2f} s")
    assert future.result().success and future.result().message.startswith("switched to streets_int8")


def test_a_bundle_that_does_not_load_leaves_the_one_at_work(running: Running) -> None:
    sender, processes, first = running
    assert set_parameter(sender, "model_dir", "/nowhere")[0]
    succeeded, said = trigger(sender, "reload")
    assert not succeeded and "/nowhere" in said
    stamp = send(sender)
    sender.wait_until(lambda: stamp_of(sender.detections[-1]) == stamp, "the detections", processes)
    np.testing.assert_allclose(scores(sender.detections[-1]), expected(first), rtol=1e-5)


def test_classes_are_chosen_while_it_runs(running: Running) -> None:
    sender, processes, first = running
    known = first.config.classes
    everything = from_detection_array(sender.detections[-1], known)
    name = known[int(everything.labels[0])]
    accepted, reason = set_parameter(sender, "classes", "Unicorn")
    assert not accepted and reason == f"classes: 'Unicorn' is not one of {', '.join(known)}"
    for choice, count in ((name, int((everything.labels == everything.labels[0]).sum())), ("", len(everything))):
        assert set_parameter(sender, "classes", choice) == (True, "")
        stamp = send(sender)
        sender.wait_until(lambda wanted=stamp: stamp_of(sender.detections[-1]) == wanted, "detections", processes)  # type: ignore[misc]
        found = from_detection_array(sender.detections[-1], known)
        assert len(found) == count
        assert not choice or {known[label] for label in found.labels} == {choice}


def test_warming_up_is_for_a_detector_that_waits(running: Running) -> None:
    sender, _, _ = running
    succeeded, said = trigger(sender, "warm_up")
    assert not succeeded and said == "clouds are being processed, which keeps the networks warm"
    assert change_state(sender, Transition.TRANSITION_DEACTIVATE)
    succeeded, said = trigger(sender, "warm_up")
    assert succeeded and said.startswith("1 slot took ") and said.endswith(" ms")
    assert change_state(sender, Transition.TRANSITION_CLEANUP)
    for name in ("warm_up", "reload"):
        succeeded, said = trigger(sender, name)
        assert not succeeded and said.startswith("the node is not configured")
