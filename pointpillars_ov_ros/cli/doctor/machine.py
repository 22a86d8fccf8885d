# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of the machine: versions, devices, caches, and the networks as they run on it."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openvino as ov

from pointpillars_ov_ros.cli.machine import look_around
from pointpillars_ov_ros.config.errors import InferenceError
from pointpillars_ov_ros.config.findings import Finding, Level
from pointpillars_ov_ros.config.kernel_cache import VARIABLE
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.inference.device.devices import parse_device
from pointpillars_ov_ros.inference.device.hardware import explain_absent
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.parity.check import check_engine
from pointpillars_ov_ros.inference.parity.cloud import built_in_cloud
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.model.ports import is_quantized

_LEAST_OPENVINO = (2026, 1)
"""Minimum version, as in requirements.txt."""
_INFERENCES = 7
_KERNELS = Path(__file__).parents[2]
_TEMPORARY = ("/tmp", "/run", "/dev/shm", "/var/tmp")


def check_machine(model: str) -> list[Finding]:
    """Check versions, processor, devices and the folder of compiled kernels."""
    core = ov.Core()
    here = look_around(model)
    versions = ", ".join(f"{name} {version}" for name, version in here.versions.items())
    findings = [_check_versions(versions)]
    kinds = ", ".join(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")) if "CPU" in core.available_devices else ""
    findings.append(Finding("machine.cpu", Level.OK, f"{here.processor}, {here.cores} cores; {kinds}"))
    findings.append(check_devices(core.available_devices))
    findings.append(check_kernels())
    return findings


def _check_versions(versions: str) -> Finding:
    numbers = tuple(int(part) for part in ov.__version__.split(".")[:2] if part.isdecimal())
    if numbers < _LEAST_OPENVINO:
        least = ".".join(map(str, _LEAST_OPENVINO))
        text = f"{versions}: OpenVINO before {least} is not tested"
        return Finding("machine.versions", Level.WARN, text, (f"pip install 'openvino>={least}'",))
    return Finding("machine.versions", Level.OK, f"{versions}, {platform.system()} {platform.machine()}")


def check_devices(available: list[str], root: Path = Path("/")) -> Finding:
    """List the devices that OpenVINO finds, and explain why others of the machine are missing."""
    absent = explain_absent(available, root, os.environ.get("USER") or "$USER")
    text = f"{', '.join(available) or 'none'}" + "".join(f"; no {one.name}: {one.reason}" for one in absent)
    cures = tuple(one.cure for one in absent if one.cure)
    return Finding("machine.devices", Level.WARN if cures else Level.OK, text, cures)


def check_kernels() -> Finding:
    """Check the folder of compiled kernels."""
    name, folder = "machine.kernels", os.environ.get(VARIABLE, "")
    if folder and folder.startswith(_TEMPORARY):
        text = (
            f"compiled kernels are stored in {folder}, which is emptied at a restart: compiling takes about 10 seconds"
        )
        return Finding(name, Level.WARN, text, (f"export {VARIABLE}=$HOME/.cache/pointpillars_kernels",))
    place = f"in {folder}" if folder else "beside the package, or in ~/.cache"
    is_kept = not folder or os.access(folder, os.W_OK)
    if not is_kept:
        text = f"{VARIABLE}={folder} is not writable: kernels are compiled at every start, for about 10 seconds"
        return Finding(name, Level.WARN, text, (f"export {VARIABLE}=$HOME/.cache/pointpillars_kernels",))
    return Finding(name, Level.OK, f"compiled once, and stored {place}")


def check_model(
    bundle: ModelBundle, runtime: RuntimeConfig, clouds: list[FloatArray], rate_hz: float | None
) -> Iterator[Finding]:
    """Load the networks, compare their answers with those of the CPU in f32, and measure the time per cloud."""
    try:
        engine = Engine(bundle, runtime)
    except InferenceError as error:
        yield _say_no_device(runtime.rpn_device, str(error))
        return
    where = engine.effective_settings()
    device = ", ".join(
        f"{name.upper()} on {each.get('EXECUTION_DEVICES')} in {each.get('INFERENCE_PRECISION_HINT')}"
        for name, each in where.items()
    )
    yield Finding("machine.model", Level.OK, f"{bundle.config.name} loads in {engine.load_s:.1f} s: {device}")
    yield from _check_settings(engine)
    parity = check_engine(engine)
    if parity.failed:
        cures = ("precision:=f32   # pointpillars_ov doctor --device CPU says whether the CPU is right",)
        yield Finding("machine.parity", Level.FAULT, parity.sentence, cures)
    else:
        yield Finding("machine.parity", Level.OK, parity.sentence.removeprefix("parity: "))
    yield _check_speed(engine, clouds or [built_in_cloud(engine.config)], rate_hz)


def _check_settings(engine: Engine) -> Iterator[Finding]:
    """Report the engine's remarks on its settings and its cache."""
    for warning in engine.warnings:
        yield Finding("machine.settings", Level.WARN, warning, ("pointpillars_ov doctor   # without --set and lists",))
    if engine.runtime.cache_dir:
        yield Finding("machine.cache", Level.OK, f"compiled networks are stored in {engine.runtime.cache_dir}")


def _say_no_device(device: str, reason: str) -> Finding:
    absent = {one.name: one for one in explain_absent(ov.Core().available_devices)}
    own = absent.get(device.partition(".")[0].partition(":")[0])
    cures = (own.cure,) if own is not None and own.cure else ()
    why = f" ({own.reason})" if own is not None else ""
    return Finding("machine.model", Level.FAULT, f"{reason}{why}", (*cures, "pointpillars_ov doctor --device CPU"))


def _check_speed(engine: Engine, clouds: list[FloatArray], rate_hz: float | None) -> Finding:
    """Measure some inferences, one at a time, and compare with the rate of the clouds, if known."""
    name, slot, times = "machine.speed", engine.slots[0], []
    for number in range(_INFERENCES):
        begin = time.monotonic()
        slot.detect(np.array(clouds[number % len(clouds)]), engine.settings)
        times.append(time.monotonic() - begin)
    # The first one is slower, since its memory is new.
    usual_s = statistics.median(times[1:])
    text = f"{1000.0 * usual_s:.0f} ms per cloud on {engine.runtime.rpn_device}, about {1.0 / usual_s:.1f} clouds/s"
    if rate_hz is None or usual_s <= 1.0 / rate_hz:
        wanted = "" if rate_hz is None else f"; {rate_hz:.1f} arrive"
        return Finding(name, Level.OK, text + wanted)
    return Finding(name, Level.WARN, f"{text}; {rate_hz:.1f} arrive, and the rest are dropped", _faster(engine))


def _faster(engine: Engine) -> tuple[str, ...]:
    cures = []
    others = [name for name in ov.Core().available_devices if name.startswith("GPU")]
    if others and engine.runtime.rpn_device == "CPU":
        cures.append("pointpillars_ov doctor --device GPU   # then device:=GPU for the node")
    if not is_quantized(engine.bundle.path(engine.config.rpn.file)):
        cures.append("pointpillars_ov quantize --help   # INT8 is several times faster on a CPU")
    cures.append(
        "ros2 launch pointpillars_ov_ros detector.launch.py mode:=throughput   # more clouds/s, higher latency"
    )
    return tuple(cures)


def read_runtime(device: str, properties: str, cache_dir: str) -> RuntimeConfig:
    """Return the settings of the networks; ConfigError if `device` is not valid for OpenVINO."""
    parse_device(device, "--device")
    return RuntimeConfig(
        pfe_device=device, rpn_device=device, device_properties=properties, cache_dir=cache_dir, parity_check=True
    )
