# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The exceptions of this package. Every message is one sentence written for the person who reads it."""


from collections.abc import Sequence

_MOST_LETTERS = 60
_MOST_NAMES = 12


class PointPillarsError(Exception):
    """Base of everything this package raises on purpose; tools print it as one line and exit with 1."""


class ConfigError(PointPillarsError, ValueError):
    """A configuration value is missing, unknown or out of bounds; names the field and the value."""


def require(holds: bool, name: str, value: object, what: str) -> None:
    """Raise ConfigError unless `holds`: the field `name`, which is `value`, must be `what`."""
    if not holds:
        raise ConfigError(f"{name}: {value!r} is not {what}")


class BundleError(PointPillarsError):
    """A model bundle is incomplete, altered or does not fit its own description."""


class CloudError(PointPillarsError, ValueError):
    """A point cloud message cannot be read as it describes itself; names the field and the value."""


class DatasetError(PointPillarsError):
    """A dataset file is missing or malformed; names the file and, where there is one, the line."""


class InferenceError(PointPillarsError):
    """A device cannot be used, or a request failed on it."""


class OutputError(InferenceError):
    """A network gave something that is no number."""


class TrainingError(PointPillarsError):
    """Training cannot begin, be taken up again or go on."""


def quote(text: str) -> str:
    """Quote what came in a message, for a sentence that stays one however long that is."""
    return repr(text) if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]!r}… ({len(text)} letters)"


def list_names(names: Sequence[str], separator: str = ", ") -> str:
    """List names that came in a message: the first ones, and how many there are; odd ones are quoted."""
    shown = [name if name.isprintable() and len(name) <= _MOST_LETTERS else quote(name) for name in names[:_MOST_NAMES]]
    more = f"{separator}… ({len(names)} in all)" if len(names) > _MOST_NAMES else ""
    return separator.join(shown) + more


def missing_module(error: ModuleNotFoundError) -> str:
    """Say in one sentence how to get a Python module that is missing; raises `error` if it is one of our own."""
    name = (error.name or "").split(".")[0]
    if name == "pointpillars_ov_ros":
        raise error
    return (
        f"the Python module {error.name} is missing: source your ROS 2 workspace and `pip install -r requirements.txt` "
        "of pointpillars_ov_ros, or run `make env` there"
    )
