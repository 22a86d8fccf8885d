# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of real rclpy nodes: those of the dataclasses, no more and no less."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from enum import Enum
from typing import Any

import pytest
import rclpy
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.config.runtime_config import Mode, RuntimeConfig
from pointpillars_ov_ros.nodes.detector.node import DetectorNode
from pointpillars_ov_ros.nodes.diagnostics.node import DiagnosticsNode
from pointpillars_ov_ros.nodes.kitti_player.node import KittiPlayerNode
from pointpillars_ov_ros.ros.parameters import declare_parameters, read_parameters
from pointpillars_ov_ros.ros.settings import DetectorNodeConfig, DiagnosticsConfig, PlayerConfig

NODES = {
    DetectorNode: (RuntimeConfig, DetectorNodeConfig),
    DiagnosticsNode: (DiagnosticsConfig,),
    KittiPlayerNode: (PlayerConfig,),
}
SETTINGS = [settings for parts in NODES.values() for settings in parts]
CASES = [
    pytest.param(node, field, id=f"{settings.__name__}.{field.name}")
    for node, parts in NODES.items()
    for settings in parts
    for field in dataclasses.fields(settings)
]
FIELDS = [pytest.param(s, f, id=f"{s.__name__}.{f.name}") for s in SETTINGS for f in dataclasses.fields(s)]
ENUMS = [case for case in FIELDS if isinstance(case.values[1].default, Enum)]
BOUNDED = [case for case in FIELDS if case.values[1].metadata["high"] is not None]
OPTIONS = {"enable_rosout": False, "start_parameter_services": False}


def plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else value


@pytest.fixture(scope="module")
def context() -> Iterator[rclpy.Context]:
    """Yield a context of this module's own, on this machine only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        context = rclpy.Context()
        rclpy.init(context=context, args=[])
    yield context
    rclpy.shutdown(context=context)


@pytest.fixture(scope="module")
def nodes(context: rclpy.Context) -> Iterator[dict[type[Node], Node]]:
    """Yield one of each of the package's nodes, not started."""
    made = {kind: kind(context=context, **OPTIONS) for kind in NODES}
    yield made
    for node in made.values():
        node.destroy_node()


@pytest.fixture
def bare(context: rclpy.Context) -> Iterator[Any]:
    """Yield a way to make nodes without parameters, except those overridden."""
    made: list[Node] = []

    def make(**overrides: object) -> Node:
        parameters = [Parameter(name, value=value) for name, value in overrides.items()]
        made.append(Node("bare", context=context, parameter_overrides=parameters, **OPTIONS))
        return made[-1]

    yield make
    for node in made:
        node.destroy_node()


def describe(node: Node, name: str) -> ParameterDescriptor:
    return node.describe_parameter(name)


@pytest.mark.parametrize(("kind", "field"), CASES)
def test_every_field_is_a_parameter_with_its_default(
    nodes: dict[type[Node], Node], kind: type[Node], field: dataclasses.Field[Any]
) -> None:
    value = nodes[kind].get_parameter(field.name).value
    assert value == plain(field.default)
    assert type(value) is type(plain(field.default))


@pytest.mark.parametrize(("kind", "field"), CASES)
def test_every_parameter_says_what_it_is_and_what_it_may_be(
    nodes: dict[type[Node], Node], kind: type[Node], field: dataclasses.Field[Any]
) -> None:
    descriptor = describe(nodes[kind], field.name)
    assert descriptor.description == field.metadata["description"]
    assert len(descriptor.description) > 10
    if isinstance(field.default, Enum):
        assert all(str(member.value) in descriptor.additional_constraints for member in type(field.default))
    elif isinstance(field.default, float):
        (bounds,) = descriptor.floating_point_range
        assert (bounds.from_value, bounds.to_value) == (field.metadata["low"], field.metadata["high"])
    elif isinstance(field.default, int) and not isinstance(field.default, bool):
        (bounds,) = descriptor.integer_range
        assert (bounds.from_value, bounds.to_value) == (field.metadata["low"], field.metadata["high"])


@pytest.mark.parametrize("kind", NODES)
def test_no_node_has_parameters_beside_its_settings(nodes: dict[type[Node], Node], kind: type[Node]) -> None:
    own = {field.name for settings in NODES[kind] for field in dataclasses.fields(settings)}
    ros = {"use_sim_time", "start_type_description_service"}
    assert set(nodes[kind].get_parameters_by_prefix("")) - ros == own


@pytest.mark.parametrize("settings", SETTINGS)
def test_without_overrides_the_settings_are_the_defaults(bare: Any, settings: type[Any]) -> None:
    node = bare()
    declare_parameters(node, settings)
    assert read_parameters(node, settings) == settings()


def test_what_is_overridden_is_read_and_the_rest_stays(bare: Any) -> None:
    node = bare(model_dir="/models/a", mode="balanced", score_threshold=0.25, pfe_block=500)
    declare_parameters(node, RuntimeConfig)
    expected = RuntimeConfig(model_dir="/models/a", mode=Mode.BALANCED, score_threshold=0.25, pfe_block=500)
    assert read_parameters(node, RuntimeConfig) == expected


@pytest.mark.parametrize(("settings", "field"), ENUMS)
def test_every_choice_is_accepted(bare: Any, settings: type[Any], field: dataclasses.Field[Any]) -> None:
    for member in type(field.default):
        node = bare(**{field.name: member.value})
        declare_parameters(node, settings)
        assert getattr(read_parameters(node, settings), field.name) is member


@pytest.mark.parametrize(("settings", "field"), ENUMS)
def test_a_word_that_is_no_choice_is_named_with_the_choices(
    bare: Any, settings: type[Any], field: dataclasses.Field[Any]
) -> None:
    node = bare(**{field.name: "turbo"})
    declare_parameters(node, settings)
    with pytest.raises(ConfigError) as refusal:
        read_parameters(node, settings)
    text = str(refusal.value)
    assert text.startswith(f"{field.name}: 'turbo'")
    assert all(str(member.value) in text for member in type(field.default))
    assert "\n" not in text


@pytest.mark.parametrize("side", ["low", "high"])
@pytest.mark.parametrize(("settings", "field"), BOUNDED)
def test_the_bounds_themselves_are_accepted(
    bare: Any, settings: type[Any], field: dataclasses.Field[Any], side: str
) -> None:
    value = type(field.default)(field.metadata[side])
    node = bare(**{field.name: value})
    declare_parameters(node, settings)
    assert getattr(read_parameters(node, settings), field.name) == value


@pytest.mark.parametrize("side", [-1, 1], ids=["below", "above"])
@pytest.mark.parametrize(("settings", "field"), BOUNDED)
def test_what_is_out_of_bounds_is_refused(
    bare: Any, settings: type[Any], field: dataclasses.Field[Any], side: int
) -> None:
    bound = field.metadata["low" if side < 0 else "high"]
    value = type(field.default)(bound + side * max(1, abs(bound)))
    node = bare()
    declare_parameters(node, settings)
    (result,) = node.set_parameters([Parameter(field.name, value=value)])
    assert not result.successful
    assert field.name in result.reason
    with pytest.raises(ConfigError) as refusal:
        declare_parameters(bare(**{field.name: value}), settings)
    assert str(refusal.value).startswith(f"{field.name}: ")
    assert str(value) in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value"), [("rate", 10), ("rate", "fast"), ("loop", "yes"), ("max_frames", 1.5), ("frames", 38)]
)
def test_a_value_of_another_type_is_refused_by_name(bare: Any, name: str, value: object) -> None:
    with pytest.raises(ConfigError) as refusal:
        declare_parameters(bare(**{name: value}), PlayerConfig)
    assert str(refusal.value).startswith(f"{name}: ")
    assert str(value) in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("given", "read"), [("/base_link", "base_link"), ("base_link", "base_link"), ("", "")])
def test_a_frame_loses_the_slash_that_tf2_does_not_know(bare: Any, given: str, read: str) -> None:
    node = bare(target_frame=given)
    declare_parameters(node, DetectorNodeConfig)
    assert read_parameters(node, DetectorNodeConfig).target_frame == read


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (RuntimeConfig, "model_dir"),
        (RuntimeConfig, "cache_dir"),
        (DetectorNodeConfig, "model_public_key"),
        (DetectorNodeConfig, "record_trace"),
        (PlayerConfig, "data_dir"),
    ],
)
def test_the_home_folder_is_expanded_in_paths(
    bare: Any, monkeypatch: pytest.MonkeyPatch, settings: type[Any], name: str
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    node = bare(**{name: "~/a/b"})
    declare_parameters(node, settings)
    assert getattr(read_parameters(node, settings), name) == "/home/somebody/a/b"


@pytest.mark.parametrize("field", dataclasses.fields(RuntimeConfig), ids=lambda field: field.name)
def test_every_parameter_of_the_detector_says_when_it_takes_effect(
    nodes: dict[type[Node], Node], field: dataclasses.Field[Any]
) -> None:
    said = describe(nodes[DetectorNode], field.name).additional_constraints
    assert "takes effect at once" in said or "takes effect by ~/reload" in said
