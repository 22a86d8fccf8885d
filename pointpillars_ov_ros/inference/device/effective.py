# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a compiled network runs with, read back from it and from the devices behind AUTO and its like."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import openvino as ov

_REPORTED = (
    "EXECUTION_DEVICES",
    "MULTI_DEVICE_PRIORITIES",
    "INFERENCE_PRECISION_HINT",
    "PERFORMANCE_HINT",
    "NUM_STREAMS",
    "INFERENCE_NUM_THREADS",
    "OPTIMAL_NUMBER_OF_INFER_REQUESTS",
    "AUTO_BATCH_TIMEOUT",
)


class Batching(NamedTuple):
    """Requests that are joined: so many, or as many as there are after the timeout."""

    size: int
    timeout_ms: int


def read_batching(compiled: ov.CompiledModel) -> Batching | None:
    """Tell how requests for `compiled` are joined; None where they are not, or where AUTO does not tell."""
    timeout = read_property(compiled, "AUTO_BATCH_TIMEOUT")
    number = re.search(r"\((\d+)\)", str(read_property(compiled, "MULTI_DEVICE_PRIORITIES")))
    if timeout is None or number is None or int(number[1]) < 2:
        return None
    return Batching(int(number[1]), int(timeout))


def read_back(compiled: ov.CompiledModel, asked: Mapping[str, Any]) -> dict[str, str]:
    """Give the settings by name; what was `asked` for and is told by nobody is marked as that."""
    behind = read_property(compiled, "DEVICE_PROPERTIES") or {}
    found = {}
    for name in dict.fromkeys((*_REPORTED, *asked)):
        # Asked one by one: BATCH answers for more than it lists among its SUPPORTED_PROPERTIES.
        own, others = read_property(compiled, name), {}
        if name not in ("EXECUTION_DEVICES", "OPTIMAL_NUMBER_OF_INFER_REQUESTS"):
            others = {device: describe(values[name]) for device, values in behind.items() if name in values}
        if own is not None or others:
            found[name] = _merged(None if own is None else describe(own), others)
        elif name in asked and (asked[name] or name != "ALLOW_AUTO_BATCHING"):
            found[name] = f"{describe(asked[name])} (as asked)"
    return found


def describe(value: object) -> str:
    """Give a property value as people write it."""
    if isinstance(value, ov.Type):
        return str(value.to_string())
    if isinstance(value, list | tuple):
        return ", ".join(describe(item) for item in value)
    return str(getattr(value, "name", value))


def read_property(compiled: ov.CompiledModel, name: str) -> Any:  # Any: each property has its own type
    """Give a property; None where the device does not know it."""
    try:
        return compiled.get_property(name)
    except RuntimeError:
        return None


def _merged(own: str | None, others: Mapping[str, str]) -> str:
    """Give one text where all say the same; otherwise that of the meta device, and in brackets that of each behind."""
    said = set(others.values()) | ({own} if own is not None else set())
    if len(said) == 1:
        return str(said.pop())
    each = ", ".join(f"{device}: {text}" for device, text in others.items())
    return each if own is None else f"{own} ({each})"
