# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frozen dataclasses from plain mappings (parsed YAML), strictly: no unknown key, no missing key, no coercion."""

from __future__ import annotations

import array
import dataclasses
import enum
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from pointpillars_ov_ros.config.errors import ConfigError, plain, shown

T = TypeVar("T")


def from_mapping(cls: type[T], values: object, where: str = "") -> T:
    """Build the dataclass `cls` from `values`; nested dataclasses, enums and tuples follow its annotations.

    `where` is the dotted path of `values` in the document and begins every message.
    Raises ConfigError naming the field and the value.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where or cls.__name__}: expected a mapping, got {shown(values)}")
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            raise ConfigError(f"{_join(where, plain(key))}: unknown key; known keys are {', '.join(fields)}")
    arguments = {}
    for name, field in fields.items():
        if name in values:
            arguments[name] = convert(hints[name], values[name], _join(where, name))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{_join(where, name)}: missing")
    return cls(**arguments)


def to_mapping(value: Any) -> Any:
    """Return the plain form of a dataclass (dicts, lists, strings, numbers), as `from_mapping` reads it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_mapping(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: to_mapping(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [to_mapping(item) for item in value]
    return value


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def convert(hint: Any, value: object, where: str) -> Any:
    """Convert `value` to the annotation `hint`; ConfigError begins with `where`."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return convert(next(a for a in arguments if a is not type(None)), value, where)
    if origin is tuple:
        return _convert_tuple(arguments, value, where)
    if origin in (Mapping, dict):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: expected a mapping, got {shown(value)}")
        return {str(k): convert(arguments[1], v, _join(where, plain(k))) for k, v in value.items()}
    if dataclasses.is_dataclass(hint):
        return from_mapping(typing.cast(type, hint), value, where)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _convert_enum(hint, value, where)
    return _convert_scalar(hint, value, where)


def _convert_enum(hint: type[enum.Enum], value: object, where: str) -> enum.Enum:
    try:
        return hint(value)
    except ValueError:
        choices = ", ".join(str(member.value) for member in hint)
        raise ConfigError(f"{where}: {shown(value)} is not one of {choices}") from None


def _convert_tuple(arguments: tuple[Any, ...], value: object, where: str) -> tuple[Any, ...]:
    # Lists of numbers from ROS parameters come as arrays.
    if not isinstance(value, list | tuple | array.array):
        raise ConfigError(f"{where}: expected a list, got {shown(value)}")
    if arguments[-1] is Ellipsis:
        kinds = [arguments[0]] * len(value)
    elif len(value) == len(arguments):
        kinds = list(arguments)
    else:
        raise ConfigError(f"{where}: expected {len(arguments)} values, got {len(value)} in {shown(list(value))}")
    return tuple(convert(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, value, strict=True)))


def _convert_scalar(hint: Any, value: object, where: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise ConfigError(f"{where}: {shown(value)} is too large") from None
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ConfigError(f"{where}: expected {hint.__name__}, got {shown(value)}")
    return value
