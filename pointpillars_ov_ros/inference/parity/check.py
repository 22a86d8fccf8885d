# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Opening of an engine with a parity check against the reference, and the reaction to a mismatch."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from functools import partial

from pointpillars_ov_ros.config.errors import InferenceError, PointPillarsError
from pointpillars_ov_ros.config.runtime_config import OnMismatch, PerformanceHint, Precision, RuntimeConfig
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.verdict import AGREES, Verdict
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.parity.cloud import built_in_cloud
from pointpillars_ov_ros.inference.parity.compare import Comparison, Fate, Tolerances, compare_answers, figure
from pointpillars_ov_ros.inference.parity.reference import Reference
from pointpillars_ov_ros.inference.slot.frame_slot import FrameSlot
from pointpillars_ov_ros.model.bundle import ModelBundle

log = logging.getLogger(__name__)

NOTHING_TO_COMPARE = "CPU in f32 with the original graphs is the reference itself, so there is nothing to compare"


def open_engine(bundle: ModelBundle, runtime: RuntimeConfig, reference: ModelBundle | None = None) -> Engine:
    """Make the engine that `runtime` requests, check it, and react to a mismatch as `on_mismatch` says.

    `reference` is the bundle whose answer is right, by default `bundle` itself. Raises the exceptions of `Engine`, and
    InferenceError if the answers differ and `on_mismatch` is ERROR.
    """
    engine = _open_checked(bundle, runtime, reference)
    if not engine.parity.failed or runtime.on_mismatch is OnMismatch.WARN:
        return engine
    mismatch = engine.parity
    if runtime.on_mismatch is OnMismatch.ERROR:
        raise InferenceError(f"{mismatch.sentence} (on_mismatch is error)")
    settings = engine.effective_settings().values()
    is_exact = all(each.get("INFERENCE_PRECISION_HINT") == "f32" for each in settings)
    del engine
    if not is_exact:
        # The device may be right, and only its precision too coarse for these networks.
        try:
            exact = _open_checked(bundle, replace(runtime, precision=Precision.F32), reference)
        except PointPillarsError as error:
            log.warning("f32 on the same device: %s", error)
        else:
            if not exact.parity.failed:
                return _as_fallback(exact, mismatch, "f32 on the same device")
            del exact
    return _as_fallback(Engine(bundle, safe_settings(runtime)), mismatch, "CPU in f32")


def _as_fallback(engine: Engine, mismatch: Verdict, what: str) -> Engine:
    text = f"fell back to {what}"
    engine.parity = Verdict(f"{text}: {mismatch.text}", f"{mismatch.sentence}; {text}")
    return engine


def _open_checked(bundle: ModelBundle, runtime: RuntimeConfig, reference: ModelBundle | None) -> Engine:
    """Make an engine and check it; if AUTO moves it later, check it again there."""
    engine = Engine(bundle, runtime)
    is_moving = engine.is_moving
    if runtime.parity_check:
        places = _places(engine)
        engine.parity = check_engine(engine, reference)
        if is_moving:
            engine.call_after_move(partial(_check_after_move, checked=places, reference=reference))
    return engine


def _places(engine: Engine) -> list[str]:
    """Return the devices of each network, without the parentheses of AUTO's stand-in."""
    return [name.strip("()") for network in engine.networks for name in network.execution_devices]


def _check_after_move(engine: Engine, checked: list[str], reference: ModelBundle | None) -> None:
    """Check an engine again, alongside running clouds, and react as `on_mismatch` says.

    Nothing is to be done where AUTO has left the networks on the devices that were `checked`.
    """
    if _places(engine) == checked:
        return
    parity = check_engine(engine, reference, engine.make_spare_slot())
    if not parity.failed:
        log.info("after AUTO's move: %s", parity.sentence)
        engine.parity = parity
        return
    log.error("after AUTO's move: %s", parity.sentence)
    engine.parity = Verdict(f"after AUTO's move: {parity.text}", parity.sentence)
    if engine.runtime.on_mismatch is OnMismatch.FALLBACK_CPU:
        engine.fallback = safe_settings(engine.runtime)
    engine.must_stop = engine.runtime.on_mismatch is OnMismatch.ERROR


def safe_settings(runtime: RuntimeConfig) -> RuntimeConfig:
    """Return `runtime` for CPU in float32, with the original graphs."""
    return replace(
        runtime,
        pfe_device="CPU",
        rpn_device="CPU",
        precision=Precision.F32,
        lean_rpn=False,
        performance_hint=PerformanceHint.AUTO,
        allow_auto_batching=False,
        device_properties="",
    )


def check_engine(engine: Engine, reference: ModelBundle | None = None, slot: FrameSlot | None = None) -> Verdict:
    """Check an engine with the built-in cloud in `slot`, by default its first, which must not be in use."""
    begin = time.monotonic()
    if is_reference(engine) and reference is None:
        return Verdict(AGREES, f"parity: {NOTHING_TO_COMPARE}")
    source = make_reference(engine) if reference is None else Reference(reference, engine.runtime.cache_dir)
    comparison = check_cloud(engine, source, built_in_cloud(engine.config), slot)
    took_s = time.monotonic() - begin
    if comparison.mismatch:
        text = f"{comparison.mismatch}, compared with CPU in f32"
        return Verdict(text, f"parity mismatch of {subject(engine)}: {text}")
    figures = f"{summary(comparison)}; took {took_s:.1f} s"
    return Verdict(AGREES, f"parity: {subject(engine)} agrees with CPU in f32: {figures}")


def check_cloud(engine: Engine, reference: Reference, points: FloatArray, slot: FrameSlot | None = None) -> Comparison:
    """Compare the engine's answer to `points` (N, 4), in `slot` (default: the first), with the reference's."""
    wanted, given = reference.answer(points), (slot or engine.slots[0]).examine(points)
    tolerances = Tolerances.of(engine.runtime)
    return compare_answers(wanted, given, points, engine.config, engine.settings, tolerances)


def make_reference(engine: Engine) -> Reference:
    """Return the reference of an engine, which shares its RPN if that is the reference's anyway."""
    return Reference(engine.bundle, engine.runtime.cache_dir, engine.rpn if _rpn_is_reference(engine) else None)


def is_reference(engine: Engine) -> bool:
    """Whether the engine runs nothing but the original graphs on CPU in f32."""
    is_plain = _is_plain(engine.runtime.pfe_device, engine.effective_settings()["pfe"])
    return _rpn_is_reference(engine) and is_plain


def subject(engine: Engine) -> str:
    """Describe what is checked."""
    settings = engine.effective_settings()
    where = {
        name: f"{own.get('EXECUTION_DEVICES')} in {own.get('INFERENCE_PRECISION_HINT')}"
        for name, own in settings.items()
    }
    return f"PFE on {where['pfe']}, RPN{' rewritten' if engine.is_lean else ''} on {where['rpn']}"


def summary(comparison: Comparison) -> str:
    """Describe in figures how closely two answers agree."""
    least = min(tensor.correlation for tensor in comparison.tensors)
    pairs = [each for each in comparison.detections if each.fate is Fate.MATCHED]
    if not pairs:
        return f"worst correlation {figure(least)}, no detections in either"
    shift = max(each.shift or 0.0 for each in pairs)
    change = max(abs(each.score_change or 0.0) for each in pairs)
    ties = sum(each.fate is Fate.TIED for each in comparison.detections)
    return (
        f"worst correlation {figure(least)}, {len(pairs)} detections match "
        f"within {shift:.2g} m and {change:.2g} of score" + (f", {ties} tied in NMS" if ties else "")
    )


def _rpn_is_reference(engine: Engine) -> bool:
    return not engine.is_lean and _is_plain(engine.runtime.rpn_device, engine.effective_settings()["rpn"])


def _is_plain(device: str, settings: dict[str, str]) -> bool:
    """Whether nothing is between the host and the CPU in f32; AUTO and BATCH do not count as that."""
    is_cpu = device == settings.get("EXECUTION_DEVICES") == "CPU"
    return is_cpu and settings.get("INFERENCE_PRECISION_HINT") == "f32"
