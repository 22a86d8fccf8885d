# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO properties: those that the settings request, and those that a compiled network runs with.

Requested properties are checked by name and type against what the plugins support. The values in use are read back from
the network, and from the devices behind meta devices such as AUTO.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import openvino as ov

from pointpillars_ov_ros.config.errors import ConfigError, InferenceError, shown
from pointpillars_ov_ros.config.mapping import convert
from pointpillars_ov_ros.config.runtime_config import PerformanceHint, Precision, RuntimeConfig
from pointpillars_ov_ros.inference.device.devices import is_gpu_alone, parse_device
from pointpillars_ov_ros.model.exact_quantizers import keep_quantizers_exact
from pointpillars_ov_ros.model.ports import first_line, is_quantized

_OF_THE_CORE: dict[str, Any] = {
    "ALLOW_AUTO_BATCHING": True,
    "AUTO_BATCH_TIMEOUT": 1000,
    "CACHE_DIR": "",
    "CACHE_MODE": "OPTIMIZE_SPEED",
}
"""Properties that every device accepts though no plugin lists them, with OpenVINO's defaults."""
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
"""Maximum number of concurrent inferences of one network: a batching GPU asks for 1024, of 5 to 60 MB each."""
_TRUTHS = {"true": True, "yes": True, "false": False, "no": False}


def pfe_properties(runtime: RuntimeConfig) -> dict[str, Any]:
    """Return the properties of the PFE, in float32 unless another precision is requested.

    Its inputs are coordinates in metres: at 60 m, f16 resolves 0.03 m and bf16 0.5 m.
    """
    return compile_properties(runtime, runtime.pfe_device, needs_f32=True)


def rpn_properties(runtime: RuntimeConfig, path: Path) -> dict[str, Any]:
    """Return the properties of the RPN at `path`: a quantized one has float32 between its INT8 layers.

    A value rounded to f16 or bf16 just before it is quantized may fall on another step, layer after layer. On a CPU
    with bf16, f32 was measured to be no slower there. For GPUs alone, `rpn_rewriting` keeps float32 where it matters.
    Float networks use the device's default: bf16 is twice as fast.
    """
    device = runtime.rpn_device
    return compile_properties(runtime, device, needs_f32=is_quantized(path) and not is_gpu_alone(device))


def rpn_rewriting(runtime: RuntimeConfig, path: Path) -> Callable[[ov.Model], ov.Model] | None:
    """Return what makes the RPN at `path` exact in the f16 of GPUs; None if nothing is needed, or f32 asked for."""
    is_needed = is_quantized(path) and is_gpu_alone(runtime.rpn_device) and runtime.precision is not Precision.F32
    return keep_quantizers_exact if is_needed else None


def compile_properties(runtime: RuntimeConfig, device: str, needs_f32: bool = False) -> dict[str, Any]:
    """Return the OpenVINO properties that the settings request on `device`, one of the two that fit the machine.

    `needs_f32`: the default precision is f32 instead of the device's own.

    Of `device_properties`, the device gets those it supports. ConfigError is raised for a property that neither device
    supports, and for a value of a wrong type.
    """
    further = _further_properties(runtime, device)
    asked_hint = describe(further.pop("PERFORMANCE_HINT", runtime.effective_hint.value))
    hint: PerformanceHint = convert(PerformanceHint, asked_hint, "PERFORMANCE_HINT")
    may_batch = further.get("ALLOW_AUTO_BATCHING", runtime.allow_auto_batching)
    properties: dict[str, Any] = {
        "PERFORMANCE_HINT": _hint(runtime, device, hint),
        # Under the hint THROUGHPUT, a batch that GPU plugins collect by themselves holds back the last frames.
        "ALLOW_AUTO_BATCHING": may_batch,
    }
    if may_batch or parse_device(device, "device").meta == "BATCH":
        # OpenVINO's default of 1000 ms is the time of ten clouds.
        properties["AUTO_BATCH_TIMEOUT"] = runtime.auto_batch_timeout_ms
    precision = runtime.precision
    if precision is Precision.DEFAULT and needs_f32 and "EXECUTION_MODE_HINT" not in further and _has_f32(device):
        precision = Precision.F32
    members = [member.partition("(")[0] for member in parse_device(device, "device").members]
    if precision is Precision.BF16 and members and all(name.startswith("GPU") for name in members):
        raise ConfigError(f"precision: {device} does not support bf16; use f16, f32 or default")
    if precision is not Precision.DEFAULT:
        properties["INFERENCE_PRECISION_HINT"] = precision.value
    if runtime.num_streams:
        properties["NUM_STREAMS"] = runtime.num_streams
    # For the CPU only; a GPU beside it would reject it.
    if runtime.num_threads and "INFERENCE_NUM_THREADS" in _known(ov.Core(), device):
        properties["INFERENCE_NUM_THREADS"] = runtime.num_threads
    requests = runtime.num_requests or (MOST_AT_ONCE if _chooses_batch(device, may_batch) else 0)
    if requests:
        # A batch is never larger than this.
        properties["PERFORMANCE_HINT_NUM_REQUESTS"] = requests
    if runtime.cache_dir:
        properties["CACHE_DIR"] = runtime.cache_dir
    return {**properties, **further}


def in_text(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties as strings, the one form that every plugin accepts.

    The GPU plugin rejects NUM_STREAMS as an int and CACHE_MODE as an enum, which CPU and AUTO accept. LOG_LEVEL has
    other names as a string than as an enum.
    """
    return {name: value if name == "LOG_LEVEL" else _text(value) for name, value in properties.items()}


def parse_properties(text: str, field: str) -> dict[str, str]:
    """Parse NAME=VALUE, separated by spaces; ConfigError names `field` and the part that is not of this form."""
    properties = {}
    for part in text.split():
        name, is_given, value = part.partition("=")
        if not (name and is_given and value):
            raise ConfigError(f"{field}: {shown(part)} is not NAME=VALUE, such as ENABLE_STARTUP_FALLBACK=false")
        properties[name] = value
    return properties


def check_properties(core: ov.Core, device: str, properties: Mapping[str, str]) -> dict[str, Any]:
    """Return the values in their types; ConfigError if the plugins of `device` do not support one, or its value is bad.

    Meta devices such as AUTO and BATCH pass on what the devices behind them support without listing it, and silently
    accept what no device supports. Raises InferenceError if there is no such device.
    """
    known, checked = _known(core, device), {}
    for name, text in properties.items():
        if name not in known:
            raise ConfigError(f"{name}: {device} has no such property; it supports {', '.join(sorted(known))}")
        checked[name] = _typed(text, _default(core, known[name], name), name)
    return checked


class Batching(NamedTuple):
    """Batching of requests: up to `size` of them, or as many as there are after the timeout."""

    size: int
    timeout_ms: int


def read_batching(compiled: ov.CompiledModel) -> Batching | None:
    """Return how requests for `compiled` are batched; None if they are not, or if AUTO does not report it.

    The size is an upper bound if the plugin has chosen it, since it does not report its choice.
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
    """Return the settings by name; those that were `asked` for but that no device reports are marked."""
    behind = read_property(compiled, "DEVICE_PROPERTIES") or {}
    found = {}
    for name in dict.fromkeys((*_REPORTED, *asked)):
        # Queried one by one: BATCH answers for more than it lists among its SUPPORTED_PROPERTIES.
        own, others = read_property(compiled, name), {}
        if name not in ("EXECUTION_DEVICES", "OPTIMAL_NUMBER_OF_INFER_REQUESTS"):
            others = {device: describe(values[name]) for device, values in behind.items() if name in values}
        if own is not None or others:
            found[name] = _merged(None if own is None else describe(own), others)
        elif name in asked and (asked[name] or name != "ALLOW_AUTO_BATCHING"):
            found[name] = f"{describe(asked[name])} (as requested)"
    if found.get("INFERENCE_PRECISION_HINT") == "dynamic":
        found["INFERENCE_PRECISION_HINT"] = _precision_of_layers(compiled)
    return found


def describe(value: object) -> str:
    """Return a property value as text."""
    if isinstance(value, ov.Type):
        return str(value.to_string())
    if isinstance(value, list | tuple):
        return ", ".join(describe(item) for item in value)
    return str(getattr(value, "name", value))


def read_property(compiled: ov.CompiledModel, name: str) -> Any:  # Any: each property has its own type
    """Return a property; None if the device does not support it."""
    try:
        return compiled.get_property(name)
    except RuntimeError:
        return None


def _precision_of_layers(compiled: ov.CompiledModel) -> str:
    """Return the float type of most layers; with EXECUTION_MODE_HINT the property says only "dynamic"."""
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
    # Properties that no device supports are left in, so that the check names them.
    wanted = {name: text for name, text in asked.items() if name in mine or name not in anybodys}
    return check_properties(core, device, wanted)


def _chooses_batch(device: str, may_batch: bool) -> bool:
    """Whether the plugin chooses the size of batches."""
    parsed = parse_device(device, "device")
    if parsed.meta == "BATCH":
        return not any("(" in member for member in parsed.members)
    return may_batch and any(name.startswith("GPU") for name in parsed.plugins(ov.Core().available_devices))


def _has_f32(device: str) -> bool:
    return not any(member.startswith("NPU") for member in parse_device(device, "device").members)


def _hint(runtime: RuntimeConfig, device: str, hint: PerformanceHint) -> str:
    """Return the hint for one network; ConfigError if neither of the two can use it."""
    spreading = ("AUTO", "MULTI")
    if hint is not PerformanceHint.CUMULATIVE_THROUGHPUT or parse_device(device, "device").meta in spreading:
        return hint.value
    devices = (runtime.pfe_device, runtime.rpn_device)
    if not any(parse_device(text, "device").meta in spreading for text in devices):
        raise ConfigError(
            f"performance_hint: {hint.value} is for AUTO and MULTI, which use several devices at the same time; "
            f"pfe_device is {devices[0]!r}, rpn_device is {devices[1]!r}"
        )
    return PerformanceHint.THROUGHPUT.value


def _known(core: ov.Core, device: str) -> dict[str, str]:
    """Return the properties that can be set on `device`, each with a plugin that supports it; empty: the core does."""
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
    """Return the default of a property; None if the plugin does not report it."""
    if not plugin:
        return _OF_THE_CORE[name]
    try:
        return core.get_property(plugin, name)
    except RuntimeError:
        return None


def _typed(text: str, default: Any, name: str) -> Any:  # Any: each property has its own type
    """Parse a value of the type that `default` has; for other types OpenVINO parses the text."""
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
        # -1 streams means as many as the plugin likes. Nothing else may be negative, and BATCH's own error message does
        # not name the property.
        if value < 0 and name != "NUM_STREAMS":
            raise ConfigError(f"{name}: {text!r} is below 0")
        return value
    if members:
        if text not in members:
            raise ConfigError(f"{name}: {text!r} is not one of {', '.join(members)}")
        return members[text]
    return text


def _merged(own: str | None, others: Mapping[str, str]) -> str:
    """Return one text if all agree; else that of the meta device, followed by those of the devices in parentheses."""
    said = set(others.values()) | ({own} if own is not None else set())
    if len(said) == 1:
        return str(said.pop())
    each = ", ".join(f"{device}: {text}" for device, text in others.items())
    return each if own is None else f"{own} ({each})"
