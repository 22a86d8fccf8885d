# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Opens an engine, compares its answer to the built-in cloud with the reference, and acts where they differ."""

from __future__ import annotations

import time
from dataclasses import replace

from pointpillars_ov_ros.config.errors import InferenceError
from pointpillars_ov_ros.config.runtime_config import OnMismatch, PerformanceHint, Precision, RuntimeConfig
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.verdict import AGREES, Verdict
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.parity.cloud import built_in_cloud
from pointpillars_ov_ros.inference.parity.compare import Comparison, Fate, Tolerances, compare_answers, figure
from pointpillars_ov_ros.inference.parity.reference import Reference
from pointpillars_ov_ros.model.bundle import ModelBundle

NOTHING_TO_COMPARE = "CPU in f32 with untouched graphs is the reference itself, so there is nothing to compare"


def open_engine(bundle: ModelBundle, runtime: RuntimeConfig, reference: ModelBundle | None = None) -> Engine:
    """Make the engine that `runtime` asks for, check it, and do what `on_mismatch` says where it differs.

    `reference`: the bundle whose answer is the right one; by default `bundle` itself. Raises what `Engine` does, and
    InferenceError where the answers differ and `on_mismatch` is ERROR.
    """
    engine = Engine(bundle, runtime)
    if not runtime.parity_check:
        return engine
    engine.parity = check_engine(engine, reference)
    if not engine.parity.failed or runtime.on_mismatch is OnMismatch.WARN:
        return engine
    if runtime.on_mismatch is OnMismatch.ERROR:
        raise InferenceError(f"{engine.parity.sentence} (on_mismatch is error)")
    mismatch = engine.parity
    del engine
    safe = Engine(bundle, safe_settings(runtime))
    safe.parity = Verdict(f"fell back to CPU in f32: {mismatch.text}", f"{mismatch.sentence}; fell back to CPU in f32")
    return safe


def safe_settings(runtime: RuntimeConfig) -> RuntimeConfig:
    """Return `runtime` on CPU in float32, with the graphs as they are."""
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


def check_engine(engine: Engine, reference: ModelBundle | None = None) -> Verdict:
    """Check an engine that no pipeline is open on with the built-in cloud."""
    begin = time.monotonic()
    if is_reference(engine) and reference is None:
        return Verdict(AGREES, f"parity: {NOTHING_TO_COMPARE}")
    source = make_reference(engine) if reference is None else Reference(reference, engine.runtime.cache_dir)
    comparison = check_cloud(engine, source, built_in_cloud(engine.config))
    took_s = time.monotonic() - begin
    if comparison.mismatch:
        text = f"{comparison.mismatch}, compared with CPU in f32"
        return Verdict(text, f"parity mismatch of {subject(engine)}: {text}")
    figures = f"{summary(comparison)}; took {took_s:.1f} s"
    return Verdict(AGREES, f"parity: {subject(engine)} agrees with CPU in f32: {figures}")


def check_cloud(engine: Engine, reference: Reference, points: FloatArray) -> Comparison:
    """Compare the engine's answer to `points` (N, 4) with the reference's."""
    wanted, given = reference.answer(points), engine.slots[0].examine(points)
    tolerances = Tolerances.of(engine.runtime)
    return compare_answers(wanted, given, points, engine.config, engine.settings, tolerances)


def make_reference(engine: Engine) -> Reference:
    """Return the reference of an engine, which lends its RPN where that is the reference's anyway."""
    return Reference(engine.bundle, engine.runtime.cache_dir, engine.rpn if _rpn_is_reference(engine) else None)


def is_reference(engine: Engine) -> bool:
    """Whether the engine runs nothing but the untouched graphs on CPU in f32."""
    is_plain = _is_plain(engine.runtime.pfe_device, engine.effective_settings()["pfe"])
    return _rpn_is_reference(engine) and is_plain


def subject(engine: Engine) -> str:
    """Say what is checked."""
    settings = engine.effective_settings()
    where = {
        name: f"{own.get('EXECUTION_DEVICES')} in {own.get('INFERENCE_PRECISION_HINT')}"
        for name, own in settings.items()
    }
    return f"PFE on {where['pfe']}, RPN{' rewritten' if engine.is_lean else ''} on {where['rpn']}"


def summary(comparison: Comparison) -> str:
    """Say in figures how far two answers that agree do so."""
    least = min(tensor.correlation for tensor in comparison.tensors)
    pairs = [each for each in comparison.detections if each.fate is Fate.MATCHED]
    if not pairs:
        return f"worst correlation {figure(least)}, and neither has a detection"
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
    """Whether nothing stands between the host and the CPU in f32; AUTO and BATCH are not taken on trust."""
    is_cpu = device == settings.get("EXECUTION_DEVICES") == "CPU"
    return is_cpu and settings.get("INFERENCE_PRECISION_HINT") == "f32"
