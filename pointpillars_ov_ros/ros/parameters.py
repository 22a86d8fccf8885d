# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ROS parameters from dataclasses: same names, same defaults, descriptors from the fields' metadata."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.config.runtime_config import from_plain

T = TypeVar("T")


def declare_parameters(node: Node, settings: type[Any], find_effect: Callable[[str], str] = lambda name: "") -> None:
    """Declare a parameter for each field of `settings`, a dataclass of `setting`s.

    `find_effect` returns when a changed parameter takes effect, for its descriptor.
    """
    for field in dataclasses.fields(settings):
        default = field.default.value if isinstance(field.default, Enum) else field.default
        try:
            node.declare_parameter(field.name, default, _descriptor(field, find_effect(field.name)))
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            raise ConfigError(f"{field.name}: {_reason(error, default)}") from None


def read_parameters(node: Node, settings: type[T], changes: Sequence[Parameter] = ()) -> T:
    """Build `settings` from the node's parameters with `changes` applied; ConfigError names field and value."""
    names = {field.name for field in dataclasses.fields(settings)}  # type: ignore[arg-type]
    values = {name: node.get_parameter(name).value for name in names}
    values.update({p.name: p.value for p in changes if p.name in names})
    lists = {field.name for field in dataclasses.fields(settings) if field.metadata["takes_list"]}  # type: ignore[arg-type]
    return from_plain(settings, {name: _join(value) if name in lists else value for name, value in values.items()})


def _join(value: object) -> object:
    """Return a list of words as one text, separated by commas; return anything else unchanged."""
    is_list = isinstance(value, list | tuple) and all(isinstance(word, str) for word in value)
    return ",".join(value) if is_list else value  # type: ignore[arg-type]


def _reason(error: Exception, default: object) -> str:
    """Return what is wrong with an override, in a few words."""
    if isinstance(error, InvalidParameterTypeException):
        kind = f"list of {len(default)} floats" if isinstance(default, tuple) else type(default).__name__
        hint = ", so write 1.0 and not 1" if isinstance(default, float | tuple) else ""
        return f"a {kind} is needed{hint} ({error})"
    return " ".join(str(error).split())


def _descriptor(field: dataclasses.Field[Any], effect: str) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=field.metadata["description"], read_only=field.metadata["is_fixed"])
    descriptor.dynamic_typing = field.metadata["takes_list"]
    constraints = [effect] if effect else []
    low, high = field.metadata["low"], field.metadata["high"]
    if isinstance(field.default, Enum):
        choices = ", ".join(str(member.value) for member in type(field.default))
        constraints.append(f"one of {choices}")
    elif low is not None and high is not None:
        if isinstance(field.default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        else:
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
    descriptor.additional_constraints = "; ".join(constraints)
    return descriptor
