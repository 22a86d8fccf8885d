# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Targets: sets of parameters, as nodes make settings of them, and messages that nodes make settings or figures of."""

from __future__ import annotations

import dataclasses
import math
from array import array
from contextlib import suppress
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.serialization import serialize_message

from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.clouds.transform_buffer import Missing, TransformBuffer
from pointpillars_ov_ros.config.errors import PointPillarsError
from pointpillars_ov_ros.config.mapping import to_mapping
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig, from_plain
from pointpillars_ov_ros.core.detections import check_classes
from pointpillars_ov_ros.inference.device.devices import parse_device
from pointpillars_ov_ros.inference.device.properties import parse_properties
from pointpillars_ov_ros.ros.settings import DetectorNodeConfig, DiagnosticsConfig, PlayerConfig
from pointpillars_ov_ros.ros.timing_message import STATUS_NAME, FrameTiming, from_message, from_serialized, to_message
from test.torture.fuzz.draws import TEXTS, Draws

_SETTINGS: tuple[type[Any], ...] = (RuntimeConfig, DetectorNodeConfig, DiagnosticsConfig, PlayerConfig)
_DEVICES = (
    "CPU",
    "GPU.0",
    "AUTO:GPU,CPU",
    "BATCH:CPU(4)",
    "AUTO:-GPU",
    "HETERO:GPU,CPU",
    "MULTI:",
    "AUTO:",
    ":",
    "BATCH:CPU(",
)
_PIECES = (",", ":", "(", ")", "-", ".", "=", " ", "CPU", "GPU", "AUTO", "BATCH", "9", "é")


def draw_plain(field: dataclasses.Field[Any], draws: Draws) -> Any:
    """Return a value of a type that a ROS parameter can have, mostly the right one."""
    default = field.default
    if draws.one_in(6):
        return draws.pick(
            (None, draws.text(), draws.number(), draws.integer(), [draws.text()], array("d", [draws.number()]))
        )
    if isinstance(default, bool):
        return bool(draws.byte() & 1)
    if isinstance(default, int):
        return draws.integer()
    if isinstance(default, float):
        return draws.number()
    if isinstance(default, tuple):
        return array("d", [draws.number() for _ in range(len(default))])
    if isinstance(default, str) and not hasattr(type(default), "__members__"):
        return draws.text()
    members = [member.value for member in type(default)]
    return draws.pick((*members, "", "LATENCY"))


def parameter_set(data: bytes) -> None:
    """Make settings of parameters of any value; those accepted are finite, within bounds, and read again the same."""
    draws = Draws(data)
    kind = draws.pick(_SETTINGS)
    chosen = [field for field in dataclasses.fields(kind) if draws.one_in(3)]
    settings = from_plain(kind, {field.name: draw_plain(field, draws) for field in chosen})
    for field in dataclasses.fields(kind):
        value, low, high = getattr(settings, field.name), field.metadata["low"], field.metadata["high"]
        for number in value if isinstance(value, tuple) else [value]:
            assert not isinstance(number, float) or math.isfinite(number)
        assert type(value) is type(field.default)
        assert low is None or low <= value <= high
    assert from_plain(kind, to_mapping(settings)) == settings
    if isinstance(settings, DetectorNodeConfig):
        Transform.from_pose(*settings.sensor_pose)


def device_text(data: bytes) -> None:
    """Read device strings, properties and lists of classes, of any text."""
    draws = Draws(data)
    pieces = [draws.pick((*_DEVICES, *_PIECES, *TEXTS)) for _ in range(draws.below(6))]
    text = "".join(pieces) + draws.rest().decode("utf-8", "replace")
    with suppress(PointPillarsError):
        parse_properties(text, "device_properties")
    with suppress(PointPillarsError):
        check_classes(text, ("Car", "Pedestrian"))
    assert str(parse_device(text, "rpn_device"))


def timing_message(data: bytes) -> None:
    """Read a timing message with any names and values; what is accepted holds numbers."""
    draws = Draws(data)
    names = [field.name for field in dataclasses.fields(FrameTiming)]
    values = [
        KeyValue(key=draws.pick(names) if not draws.one_in(8) else plain_text(draws), value=plain_text(draws))
        for _ in range(draws.below(12))
    ]
    name = STATUS_NAME if not draws.one_in(8) else plain_text(draws)
    status = DiagnosticStatus(name=name, message=plain_text(draws), values=values)
    found = from_message(DiagnosticArray(status=[status] * (1 if not draws.one_in(8) else draws.below(3))))
    for field in dataclasses.fields(found):
        value = getattr(found, field.name)
        assert not isinstance(value, float) or math.isfinite(value), f"{field.name}: {value}"
    to_message(found, DiagnosticArray().header)


def timing_seeds() -> tuple[bytes, ...]:
    """Return serialized messages, whole and truncated."""
    whole = bytes(serialize_message(to_message(FrameTiming(mode="latency"), DiagnosticArray().header)))
    return whole, whole[:300], bytes(serialize_message(DiagnosticArray()))


def timing_bytes(data: bytes) -> None:
    """Read bytes as the diagnostics node does; what is accepted holds numbers."""
    found = from_serialized(data)
    assert all(math.isfinite(each) for each in dataclasses.astuple(found) if isinstance(each, float))


def plain_text(draws: Draws) -> str:
    """Return a text that may be a number."""
    kind = draws.below(4)
    if kind == 0:
        return str(draws.number())
    if kind == 1:
        return str(draws.integer())
    return draws.text().encode("utf-8", "replace").decode()


def transforms(data: bytes) -> None:
    """Add transforms of any value to a buffer and look some up: none, or one that is finite."""
    draws, buffer, names = Draws(data), TransformBuffer(), ("a", "b", "/c", "d", "")
    for _ in range(1 + draws.below(8)):
        parent, child, stamp = draws.pick(names), draws.pick(names), draws.integer(-(2**62), 2**62)
        translation = (draws.number(), draws.number(), draws.number())
        rotation = (draws.number(), draws.number(), draws.number(), draws.number())
        buffer.add(parent, child, stamp, translation, rotation, draws.one_in(4))
        found = buffer.find(draws.pick(names), draws.pick(names), stamp if draws.one_in(2) else draws.integer(0, 2**62))
        if isinstance(found, Missing):
            assert "\n" not in found.reason
            continue
        assert all(map(math.isfinite, (*found.rotation.flat, *found.translation)))
