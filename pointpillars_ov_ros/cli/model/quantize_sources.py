# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clouds to calibrate with: frames of a KITTI folder, or clouds of a bag."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pointpillars_ov_ros.cli.arguments import file_reading
from pointpillars_ov_ros.config.errors import DatasetError
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig, from_plain
from pointpillars_ov_ros.kitti.frames import open_frames, read_points
from pointpillars_ov_ros.quantization.data import Cloud, spread
from pointpillars_ov_ros.quantization.quantize import Clouds

_POINT_CLOUD = "sensor_msgs/msg/PointCloud2"


class Chosen(NamedTuple):
    """The selected clouds, and how they were selected."""

    clouds: Clouds
    shared: int
    """Number of clouds used both to calibrate and to check."""


def choose_clouds(options: argparse.Namespace, scratch: Path) -> Chosen:
    """Select clouds of --data or --bag, spread evenly; those of a bag are unpacked into `scratch`."""
    if options.bag is not None:
        every: list[Cloud] = _unpack(options, scratch)
        origin = f"{options.bag.resolve()}, topic {options.topic}"
    else:
        frames = open_frames(options.data, reading=file_reading(options))
        every = [partial(frame.read_points, crop=not options.no_crop) for frame in frames]
        origin = str(options.data.resolve())
    calibration = spread(len(every), options.subset)
    left = sorted(set(range(len(every))) - set(calibration))
    # Clouds that calibration has not seen, if there are any.
    pool = left or calibration
    checks = [pool[i] for i in spread(len(pool), options.check)]
    clouds = Clouds([every[i] for i in calibration], [every[i] for i in checks], origin)
    return Chosen(clouds, len(set(calibration) & set(checks)))


def _unpack(options: argparse.Namespace, scratch: Path) -> list[Cloud]:
    """Write the needed clouds of the bag to files, since they are read in any order and repeatedly."""
    from pointpillars_ov_ros.bags.reader import choose_topic, first_line, open_bag
    from pointpillars_ov_ros.clouds.points import CloudReader

    bag = options.bag
    clouds: list[Cloud] = []
    with open_bag(bag) as reader:
        topic = choose_topic(reader, bag, _POINT_CLOUD, options.topic)
        found = [c for c in reader.connections if c.msgtype == _POINT_CLOUD and c.topic == topic]
        wanted = set(spread(sum(c.msgcount for c in found), options.subset + options.check))
        names = ("intensity_field", "intensity_scale", "coordinate_scale")
        sensor = CloudReader(from_plain(RuntimeConfig, {name: getattr(options, name) for name in names}))
        for number, (connection, _, data) in enumerate(reader.messages(found)):
            if number not in wanted:
                continue
            path = scratch / f"{number}.bin"
            try:
                points = sensor.read(reader.deserialize(data, connection.msgtype)).points
            # Besides CloudError, broken bytes make rosbags raise any kind of exception.
            except Exception as error:
                raise DatasetError(f"{bag}: cloud {number} on {topic}: {first_line(error)}") from None
            path.write_bytes(points.tobytes())
            clouds.append(partial(read_points, path))
    if not clouds:
        raise DatasetError(f"{bag}: no clouds on {topic}")
    return clouds
