# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Transitions with unexpected exceptions: rclpy ignores them, the node does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rclpy.parameter import Parameter

from pointpillars_ov_ros.config.errors import InferenceError
from pointpillars_ov_ros.nodes.detector import node as module
from pointpillars_ov_ros.nodes.detector.node import DetectorNode
from test.inference.toy_bundle import save_toy_bundle


@pytest.fixture
def detector(ros: None, tmp_path: Path) -> Iterator[DetectorNode]:
    folder = str(save_toy_bundle(tmp_path / "toy").folder)
    node = DetectorNode(parameter_overrides=[Parameter("model_dir", value=folder)])
    yield node
    node.destroy_node()


@pytest.mark.parametrize("name", ["load_bundle", "open_engine", "ReloadableDetector", "input_profile"])
def test_what_nobody_foresaw_is_said_with_its_place_and_the_node_can_start_again(
    detector: DetectorNode, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def raise_it(*_: object) -> None:
        raise UnicodeDecodeError("ascii", b"\xff", 0, 1, "ordinal not in range")

    with monkeypatch.context() as patch:
        patch.setattr(module, name, raise_it)
        with pytest.raises(InferenceError, match=r"^UnicodeDecodeError: .*, at .*test_node\.py:\d+; .*report it$"):
            detector.start()
    if name == "input_profile":
        detector.trigger_cleanup()
    detector.start()
    detector.trigger_deactivate()
    detector.trigger_cleanup()
