# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exceptions of this package; every message is one sentence for the person who reads it."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence


class PointPillarsError(Exception):
    """Base of all exceptions that this package raises on purpose; tools print them as one line and exit with 1."""


class ConfigError(PointPillarsError, ValueError):
    """A configuration value is missing, unknown or out of bounds; names the field and the value."""


def require(holds: bool, name: str, value: object, what: str) -> None:
    """Raise ConfigError unless `holds`: the field `name`, whose value is `value`, must be `what`."""
    if not holds:
        raise ConfigError(f"{name}: {shown(value)} is not {what}")


class _Short(reprlib.Repr):
    """Representation that shortens long values and cuts off deep ones."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxarray = 20
        self.maxstring = self.maxother = 200

    def repr_int(self, x: int, level: int) -> str:
        """Return a number, or its length: Python refuses to print very long ones."""
        return repr(x) if abs(x) < 10**40 else f"a number of {x.bit_length() * 0.30103:.0f} digits"


_SHORT, _LONGEST = _Short(), 500
_NAMES, _NAME = 12, 60


def shown(value: object) -> str:
    """Return a value as messages show it: on one line and shortened, since files may hold anything."""
    text = _SHORT.repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def plain(value: object) -> str:
    """Return a short line as it is, and anything else as `shown` does."""
    is_line = isinstance(value, str) and value.isprintable() and len(value) <= _LONGEST
    return str(value) if is_line else shown(value)


def list_names(names: Sequence[str], separator: str = ", ") -> str:
    """Return names that came in a message: the first ones and their number; unusual ones are quoted and shortened."""
    listed = [name if name.isprintable() and len(name) <= _NAME else shown(name[:_NAME]) for name in names[:_NAMES]]
    more = f"{separator}… ({len(names)} in all)" if len(names) > _NAMES else ""
    return separator.join(listed) + more


class BundleError(PointPillarsError):
    """A model bundle is incomplete, altered or does not match its own description."""


class CloudError(PointPillarsError, ValueError):
    """A point cloud message cannot be read the way it describes itself; names the field and the value."""


class DatasetError(PointPillarsError):
    """A dataset file is missing or malformed; names the file and, if there is one, the line."""


class InferenceError(PointPillarsError):
    """A device cannot be used, or a request failed on it."""


class OutputError(InferenceError):
    """An output of a network contains something that is not a number."""


class TrainingError(PointPillarsError):
    """Training cannot start, resume or go on."""


_ROS_MODULES = ("ament_index_python", "builtin_interfaces", "launch", "launch_ros", "rcl_interfaces", "rclpy")


def missing_module(error: ModuleNotFoundError) -> str:
    """Return a sentence that says how to install a missing Python module; raises `error` if it is one of ours."""
    name = (error.name or "").split(".")[0]
    if name == "pointpillars_ov_ros":
        raise error
    if name in _ROS_MODULES or "_msgs" in name:
        return (
            f"the Python module {error.name} is missing; it is part of ROS 2: source your ROS 2 workspace, "
            "or run `make env` in pointpillars_ov_ros"
        )
    return (
        f"the Python module {error.name} is missing: install it with `pip install -r requirements.txt` "
        "or `make env` in pointpillars_ov_ros"
    )


def describe_unforeseen(error: BaseException) -> str:
    """Describe an exception caused by a bug, and where it was raised, in one line for a report."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    place = f", at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return " ".join(f"{type(error).__name__}: {error}{place}; this is a bug, please report it".split())


def count_of(count: int, noun: str = "message", plural: str = "") -> str:
    """Return a number with its noun, as in '1 cloud' and '2 clouds'; `plural` is `noun` with an s unless given."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"
