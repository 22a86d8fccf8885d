# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO properties: those that the settings ask for, and those that a compiled network runs with.

What is asked for is checked by name and type against what the plugins say they know. What is in use is read back from
the network, and from the devices behind AUTO and its like.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import openvino as ov

from pointpillars_ov_ros.config.errors import ConfigError, InferenceError, shown
from pointpillars_ov_ros.config.mapping import convert
from pointpillars_ov_ros.config.runtime_config import PerformanceHint, Precision, RuntimeConfig
from pointpillars_ov_ros.inference.device.devices import parse_device
from pointpillars_ov_ros.model.ports import first_line, is_quantized

_OF_THE_CORE: dict[str, Any] = {
    "ALLOW_AUTO_BATCHING": True,
    "AUTO_BATCH_TIMEOUT": 1000,
    "CACHE_DIR": "",
    "CACHE_MODE": "OPTIMIZE_SPEED",
}
"""What can be given with every device though no plugin names it, with OpenVINO's defaults."""
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
MOST_AT_ONCE = 16
"""Inferences of one network at a time, whatever a plugin asks for: a GPU that batches says 1024, of 5 to 60 MB each."""
_TRUTHS = {"true": True, "yes": True, "false": False, "no": False}


def pfe_properties(runtime: RuntimeConfig) -> dict[str, Any]:
    """Return the properties of the PFE, in float32 unless another precision is asked for.

    Its inputs are coordinates in metres, of which f16 keeps steps of 0.03 m at 60 m, and bf16 of 0.5 m.
    """
    return compile_properties(runtime, runtime.pfe_device, needs_f32=True)


def rpn_properties(runtime: RuntimeConfig, path: Path) -> dict[str, Any]:
    """Return the properties of the RPN at `path`: one that is quantized has float32 between its INT8 layers.

    A value that f16 or bf16 rounds just before it is quantized falls on another step, layer after layer. On a CPU with
    bf16, f32 was measured to be no slower there. Float networks run in what the device likes: bf16 is twice as fast.
    """
    return compile_properties(runtime, runtime.rpn_device, needs_f32=is_quantized(path))


def compile_properties(runtime: RuntimeConfig, device: str, needs_f32: bool = False) -> dict[str, Any]:
    """Return the OpenVINO properties that the settings ask for on `device`, one of the two that fit the machine.

    `needs_f32`: the default of the precision is f32 and not the device's own.

    Of `device_properties`, it gets what it knows; what neither device knows raises ConfigError, and so does a value
    of a wrong type.
    """
    further = _further_properties(runtime, device)
    asked_hint = describe(further.pop("PERFORMANCE_HINT", runtime.effective_hint.value))
    hint: PerformanceHint = convert(PerformanceHint, asked_hint, "PERFORMANCE_HINT")
    may_batch = further.get("ALLOW_AUTO_BATCHING", runtime.allow_auto_batching)
    properties: dict[str, Any] = {
        "PERFORMANCE_HINT": _hint(runtime, device, hint),
        # A batch that GPU plugins collect by themselves under the hint THROUGHPUT holds the last frames back.
        "ALLOW_AUTO_BATCHING": may_batch,
    }
    if may_batch or parse_device(device, "device").meta == "BATCH":
        # OpenVINO's own 1000 ms are ten clouds of a lidar.
        properties["AUTO_BATCH_TIMEOUT"] = runtime.auto_batch_timeout_ms
    precision = runtime.precision
    if precision is Precision.DEFAULT and needs_f32 and "EXECUTION_MODE_HINT" not in further and _has_f32(device):
        precision = Precision.F32
    members = [member.partition("(")[0] for member in parse_device(device, "device").members]
    if precision is Precision.BF16 and members and all(name.startswith("GPU") for name in members):
        raise ConfigError(f"precision: bf16 is none of {device}: take f16, f32 or default")
    if precision is not Precision.DEFAULT:
        properties["INFERENCE_PRECISION_HINT"] = precision.value
    if runtime.num_streams:
        properties["NUM_STREAMS"] = runtime.num_streams
    # Of the CPU alone; a GPU beside it would refuse to be told.
    if runtime.num_threads and "INFERENCE_NUM_THREADS" in _known(ov.Core(), device):
        properties["INFERENCE_NUM_THREADS"] = runtime.num_threads
    requests = runtime.num_requests or (MOST_AT_ONCE if _chooses_batch(device, may_batch) else 0)
    if requests:
        # A batch is never larger than that.
        properties["PERFORMANCE_HINT_NUM_REQUESTS"] = requests
    if runtime.cache_dir:
        properties["CACHE_DIR"] = runtime.cache_dir
    return {**properties, **further}


def in_text(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties as texts, the one form that every plugin reads.

    The GPU plugin refuses NUM_STREAMS as an int and CACHE_MODE as an enum, which CPU and AUTO take. LOG_LEVEL has
    other names as a text than as an enum.
    """
    return {name: value if name == "LOG_LEVEL" else _text(value) for name, value in properties.items()}


def parse_properties(text: str, field: str) -> dict[str, str]:
    """Read NAME=VALUE, separated by spaces; ConfigError names `field` and the part that is none."""
    properties = {}
    for part in text.split():
        name, is_given, value = part.partition("=")
        if not (name and is_given and value):
            raise ConfigError(f"{field}: {shown(part)} is not NAME=VALUE, such as ENABLE_STARTUP_FALLBACK=false")
        properties[name] = value
    return properties


def check_properties(core: ov.Core, device: str, properties: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of their types; ConfigError where the plugins of `device` do not know one, or its value is bad.

    AUTO, BATCH and their like hand on what the devices behind them know, without naming it among their own, and take
    what nobody knows without a word. Raises InferenceError where there is no such device.
    """
    known, checked = _known(core, device), {}
    for name, text in properties.items():
        if name not in known:
            raise ConfigError(f"{name}: no property of {device}, which knows {', '.join(sorted(known))}")
        checked[name] = _typed(text, _default(core, known[name], name), name)
    return checked


class Batching(NamedTuple):
    """Requests that are joined: so many, or as many as there are after the timeout."""

    size: int
    timeout_ms: int


def read_batching(compiled: ov.CompiledModel) -> Batching | None:
    """Return how requests for `compiled` are joined; None where they are not, or where AUTO does not tell.

    The size is an upper bound where the plugin has chosen it, which it does not tell.
    """
    timeout = read_property(compiled, "AUTO_BATCH_TIMEOUT")
    if timeout is None:
        return None
    devices = str(read_property(compiled, "MULTI_DEVICE_PRIORITIES") or "")
    number = re.search(r"\((\d+)\)", devices)
    is_chosen = number is None and devices.startswith("GPU") and "," not in devices
    size = int(number[1] if number else read_property(compiled, "OPTIMAL_NUMBER_OF_INFER_REQUESTS") if is_chosen else 1)
    return Batching(size, int(timeout)) if size > 1 else None


def read_back(compiled: ov.CompiledModel, asked: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings by name; what was `asked` for and is told by nobody is marked as that."""
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
    if found.get("INFERENCE_PRECISION_HINT") == "dynamic":
        found["INFERENCE_PRECISION_HINT"] = _precision_of_layers(compiled)
    return found


def describe(value: object) -> str:
    """Return a property value as people write it."""
    if isinstance(value, ov.Type):
        return str(value.to_string())
    if isinstance(value, list | tuple):
        return ", ".join(describe(item) for item in value)
    return str(getattr(value, "name", value))


def read_property(compiled: ov.CompiledModel, name: str) -> Any:  # Any: each property has its own type
    """Return a property; None where the device does not know it."""
    try:
        return compiled.get_property(name)
    except RuntimeError:
        return None


def _precision_of_layers(compiled: ov.CompiledModel) -> str:
    """Return the float type that most layers run in; with EXECUTION_MODE_HINT the property says only "dynamic"."""
    try:
        layers = compiled.get_runtime_model().get_ordered_ops()
        kinds = Counter(str(layer.get_rt_info()["runtimePrecision"].astype(str)).lower() for layer in layers)
    except (RuntimeError, KeyError):
        return "dynamic"
    floats = {kind: count for kind, count in kinds.items() if kind in ("f32", "f16", "bf16")}
    return max(floats, key=lambda kind: floats[kind], default="dynamic")


def _text(value: Any) -> Any:  # Any: each property has its own type
    if isinstance(value, bool):
        return "YES" if value else "NO"
    return value if isinstance(value, dict) else describe(value)


def _further_properties(runtime: RuntimeConfig, device: str) -> dict[str, Any]:
    asked = parse_properties(runtime.device_properties, "device_properties")
    if not asked:
        return {}
    core = ov.Core()
    mine = _known(core, device).keys()
    anybodys = mine | _known(core, runtime.pfe_device).keys() | _known(core, runtime.rpn_device).keys()
    # What nobody knows is left in, for the check to name it.
    wanted = {name: text for name, text in asked.items() if name in mine or name not in anybodys}
    return check_properties(core, device, wanted)


def _chooses_batch(device: str, may_batch: bool) -> bool:
    """Whether the size of batches is the plugin's choice."""
    parsed = parse_device(device, "device")
    if parsed.meta == "BATCH":
        return not any("(" in member for member in parsed.members)
    return may_batch and any(name.startswith("GPU") for name in parsed.plugins(ov.Core().available_devices))


def _has_f32(device: str) -> bool:
    return not any(member.startswith("NPU") for member in parse_device(device, "device").members)


def _hint(runtime: RuntimeConfig, device: str, hint: PerformanceHint) -> str:
    """Return the hint for one network; ConfigError where none of the two can take it."""
    spreading = ("AUTO", "MULTI")
    if hint is not PerformanceHint.CUMULATIVE_THROUGHPUT or parse_device(device, "device").meta in spreading:
        return hint.value
    devices = (runtime.pfe_device, runtime.rpn_device)
    if not any(parse_device(text, "device").meta in spreading for text in devices):
        raise ConfigError(
            f"performance_hint: {hint.value} is for AUTO and MULTI, which use several devices at a time; "
            f"pfe_device is {devices[0]!r}, rpn_device {devices[1]!r}"
        )
    return PerformanceHint.THROUGHPUT.value


def _known(core: ov.Core, device: str) -> dict[str, str]:
    """Return the properties that can be set on `device`, each with a plugin that knows it; empty: the core does."""
    known = dict.fromkeys(_OF_THE_CORE, "")
    available = core.available_devices
    for plugin in parse_device(device, "device").plugins(available):
        try:
            supported = core.get_property(plugin, "SUPPORTED_PROPERTIES")
        except RuntimeError as error:
            raise InferenceError(
                f"no device {plugin!r} ({first_line(error)}); available here: {', '.join(available)}"
            ) from None
        known.update({name: plugin for name, access in supported.items() if access != "RO"})
    return known


def _default(core: ov.Core, plugin: str, name: str) -> Any:  # Any: each property has its own type
    """Return the default of a property; None where the plugin does not tell."""
    if not plugin:
        return _OF_THE_CORE[name]
    try:
        return core.get_property(plugin, name)
    except RuntimeError:
        return None


def _typed(text: str, default: Any, name: str) -> Any:  # Any: each property has its own type
    """Read a value of the type that `default` has; where that has no spelling here, OpenVINO reads the text."""
    members = getattr(type(default), "__members__", None)
    if isinstance(default, bool):
        if text.lower() not in _TRUTHS:
            raise ConfigError(f"{name}: {text!r} is not true or false")
        return _TRUTHS[text.lower()]
    if isinstance(default, int | float):
        kind, wanted = (int, "a whole number") if isinstance(default, int) else (float, "a number")
        try:
            value = kind(text)
        except ValueError:
            raise ConfigError(f"{name}: {text!r} is not {wanted}") from None
        # -1 streams are as many as the plugin likes; nothing else is counted below 0, and BATCH's own words on that
        # do not say what they are about.
        if value < 0 and name != "NUM_STREAMS":
            raise ConfigError(f"{name}: {text!r} is below 0")
        return value
    if members:
        if text not in members:
            raise ConfigError(f"{name}: {text!r} is not one of {', '.join(members)}")
        return members[text]
    return text


def _merged(own: str | None, others: Mapping[str, str]) -> str:
    """Return one text where all say the same; else that of the meta device, and in brackets that of each behind."""
    said = set(others.values()) | ({own} if own is not None else set())
    if len(said) == 1:
        return str(said.pop())
    each = ", ".join(f"{device}: {text}" for device, text in others.items())
    return each if own is None else f"{own} ({each})"
