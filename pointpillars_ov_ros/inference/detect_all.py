# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detection in many clouds without a node: read, submit and collect on the caller's thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.pipeline.frames import FrameResult


def detect_all(engine: Engine, clouds: Iterable[tuple[FloatArray, Any]]) -> Iterator[FrameResult]:
    """Yield the result of every cloud in input order, with as many frames in flight as the engine's mode allows.

    `clouds` are points (N, 4) float32 (x y z intensity, frame of the network), not to be changed any more, and a token
    that the result carries. The next cloud is read when the pipeline has room (drop_policy replay). Finished results
    are yielded before that, so reading clouds and consuming results alternate on one thread. The result of a failed
    cloud has its `error` set.
    """
    results: deque[FrameResult] = deque()
    pipeline = engine.open_pipeline(results.append)
    try:
        for points, token in clouds:
            pipeline.submit(points, token)
            while results:
                yield results.popleft()
        pipeline.drain()
        while results:
            yield results.popleft()
    finally:
        pipeline.close()
