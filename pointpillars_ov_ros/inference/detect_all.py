# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detection in many clouds outside of a node: read, submit and collect on the caller's thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.pipeline.frames import FrameResult


def detect_all(engine: Engine, clouds: Iterable[tuple[FloatArray, Any]]) -> Iterator[FrameResult]:
    """Yield the result of every cloud in input order, with as many frames in flight as the engine's mode has.

    `clouds` are points (N, 4) float32 (x y z intensity, frame of the network), not to be changed any more, and a token
    that the result brings back. The next one is read when the pipeline has room (drop_policy replay). What came out
    meanwhile is yielded before it is read, so whatever `clouds` does happens between results, on the same thread.
    A cloud that fails has its `error`.
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
