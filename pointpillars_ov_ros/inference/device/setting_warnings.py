# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Warnings about settings that work against each other: what it costs, and which one to change."""

from __future__ import annotations

from pointpillars_ov_ros.config.runtime_config import DropPolicy, Mode, PerformanceHint, RuntimeConfig
from pointpillars_ov_ros.inference.device.network import Network
from pointpillars_ov_ros.inference.pipeline.scheduler import SCHEDULES, rpns_at_once

_SENSOR_MS = 100
"""Interval between clouds of a lidar at 10 Hz."""
_SENSIBLE_MS = _SENSOR_MS // 4


def costs(runtime: RuntimeConfig, rpn: Network, pfe: Network | None) -> tuple[str, ...]:
    """Return warnings about settings that cost time; `pfe` is None if the host encodes."""
    found = [_rpn_batches(runtime, rpn), _pfe_batches(runtime, pfe), _hint(runtime, rpn)]
    return tuple(text for text in found if text)


def _rpn_batches(runtime: RuntimeConfig, rpn: Network) -> str:
    batching = rpn.batching
    if batching is None or not batching.timeout_ms:
        return ""
    mode = runtime.mode
    at_once = rpns_at_once(SCHEDULES[mode].slots_for(rpn.optimal_requests))
    if at_once < batching.size:
        return (
            f"rpn_device: every cloud waits {batching.timeout_ms} ms for nothing, since batches of {batching.size} "
            f"never fill in {mode.value} mode, which runs {at_once} RPN at a time: use mode throughput, a device "
            "without BATCH, or a lower auto_batch_timeout_ms"
        )
    if runtime.drop_policy is DropPolicy.LIVE and batching.timeout_ms > _SENSIBLE_MS:
        return (
            f"auto_batch_timeout_ms: one lidar at 10 Hz sends a cloud every {_SENSOR_MS} ms, so a batch of "
            f"{batching.size} waits up to {batching.timeout_ms} ms for others: set it to {_SENSIBLE_MS} or less, "
            "or use a device without BATCH"
        )
    return ""


def _pfe_batches(runtime: RuntimeConfig, pfe: Network | None) -> str:
    batching = None if pfe is None else pfe.batching
    if batching is None or not batching.timeout_ms:
        return ""
    return (
        f"pfe_device: most clouds wait {batching.timeout_ms} ms, since one cloud is encoded at a time and its requests "
        f"rarely fill batches of {batching.size}: use a device without BATCH, or encoder host"
    )


def _hint(runtime: RuntimeConfig, rpn: Network) -> str:
    if runtime.mode is not Mode.LATENCY or rpn.hint == PerformanceHint.LATENCY.value:
        return ""
    return (
        f"performance_hint: {rpn.hint} makes each cloud slower in latency mode, since it divides the device among "
        "several requests while only one is used: leave it AUTO and configure in latency mode, or use mode throughput"
    )
