# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""In the steady state nothing large is allocated between cloud message and detection message."""

from __future__ import annotations

import threading
import tracemalloc

import pytest
from sensor_msgs.msg import PointCloud2
from sensor_msgs_py.point_cloud2 import create_cloud
from std_msgs.msg import Header

from pointpillars_ov_ros.clouds.points import CloudReader, PointBuffers
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.config.runtime_config import DropPolicy, EncoderChoice, Mode, PfeShape, RuntimeConfig
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.pipeline.frames import FrameResult
from pointpillars_ov_ros.kitti.frames import find_frames
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.ros.conversions import to_detection_array
from pointpillars_ov_ros.ros.kitti_messages import FIELDS
from test.shared_data import KITTI, needs_shared_data

REDUCED = KITTI / "training" / "velodyne_reduced"
LIMIT_BYTES = 64 * 1024
ROADS = [
    RuntimeConfig(mode=mode, encoder=encoder, pfe_shape=shape, lean_rpn=lean, drop_policy=DropPolicy.REPLAY)
    for mode, encoder, shape, lean in (
        (Mode.LATENCY, EncoderChoice.HOST, PfeShape.STATIC, True),
        (Mode.BALANCED, EncoderChoice.HOST, PfeShape.STATIC, False),
        (Mode.THROUGHPUT, EncoderChoice.HOST, PfeShape.STATIC, True),
        (Mode.LATENCY, EncoderChoice.OPENVINO, PfeShape.STATIC, True),
        (Mode.LATENCY, EncoderChoice.OPENVINO, PfeShape.STATIC, False),
    )
]


@needs_shared_data
@pytest.mark.parametrize("runtime", ROADS, ids=lambda r: f"{r.mode.value} {r.encoder.value} lean={r.lean_rpn}")
def test_no_frame_allocates_more_than_64_kb(kitti_car: ModelBundle, runtime: RuntimeConfig) -> None:
    """The peak above what was there before the frames bounds every single allocation, Python's objects included."""
    engine, reader = Engine(kitti_car, runtime), CloudReader(runtime, PointBuffers())
    sensor_pose = Transform.from_pose(0.0, 0.0, 0.01, 0.0, 0.0, 0.0)
    frames = find_frames(REDUCED)[:3]
    messages = [create_cloud(Header(frame_id="velodyne"), FIELDS, frame.read_points()) for frame in frames]
    largest = max(messages, key=lambda message: message.width)
    detected = threading.Semaphore(0)

    def receive(result: FrameResult) -> None:
        assert not result.error
        to_detection_array(result.detections, engine.config.classes, result.token)
        detected.release()

    def read(message: PointCloud2) -> FloatArray:
        points = reader.read(message).points
        sensor_pose.move(points)
        return points

    pipeline = engine.open_pipeline(receive)
    try:
        for message in [largest] * len(engine.slots) + messages:
            pipeline.submit(read(message), message.header)
        assert pipeline.drain(60.0)
        peaks = []
        tracemalloc.start()
        for message in messages:
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            pipeline.submit(read(message), message.header)
            assert pipeline.drain(60.0)
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
        pipeline.close()
    assert max(peaks) <= LIMIT_BYTES, peaks


def test_a_large_allocation_would_be_seen() -> None:
    """The test above rests on NumPy's arrays being traced."""
    buffers = PointBuffers()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        buffers.borrow(20_000)
        assert tracemalloc.get_traced_memory()[1] - before > LIMIT_BYTES
    finally:
        tracemalloc.stop()
