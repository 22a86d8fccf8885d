# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inputs of `pointpillars_ov doctor`: clouds from files, a bag or a topic, and the cures for each."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pointpillars_ov_ros.cli.arguments import file_reading
from pointpillars_ov_ros.cli.detect.sources import is_cloud_file
from pointpillars_ov_ros.cli.look_at_files import say_blind
from pointpillars_ov_ros.clouds.checks import CloudCures
from pointpillars_ov_ros.clouds.intensity import BYTE
from pointpillars_ov_ros.clouds.oddities import Cures
from pointpillars_ov_ros.clouds.points import clean_points
from pointpillars_ov_ros.config.documents import one_line
from pointpillars_ov_ros.config.errors import CloudError, DatasetError, PointPillarsError, list_names
from pointpillars_ov_ros.config.findings import Finding, Level
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.kitti.frames import Frame, find_frames, open_cloud

if TYPE_CHECKING:
    from pointpillars_ov_ros.clouds.points import CloudReader
    from pointpillars_ov_ros.ros.topic_probe import CloudHead

MOST_CLOUDS = 5
"""Maximum number of clouds whose points are checked."""
_MOST_HEADS = 50
"""Maximum number of clouds of a bag whose stamps are checked."""
_BY_VALUE_SCALE = "0.0039216"
_NUSCENES = "files with these names are nuScenes', whose x is to the right and y forward"


@dataclass
class CloudInput:
    """Clouds read from an input."""

    name: str
    cures: CloudCures
    clouds: list[FloatArray] = field(default_factory=list)
    """Valid points (N, 4), in the sensor's frame, with intensity as scaled by the tools."""
    sent: int = 0
    """Number of points of all clouds, including invalid ones."""
    how: str = ""
    """Description of how intensities were read; empty, or starts with a comma."""
    findings: list[Finding] = field(default_factory=list)
    """Findings from reading."""
    frame: str = ""
    """Frame that the clouds were transformed to; empty: the sensor's own."""
    heads: list[CloudHead] = field(default_factory=list)
    """Heads of a bag's clouds, as if received when they were recorded."""

    def add(self, points: FloatArray) -> None:
        """Add the points of a cloud as stored in the file or message."""
        kept, _ = clean_points(np.array(points, np.float32, order="C"), 1.0)
        self.sent += len(points)
        self.clouds.append(kept)


def read_files(options: argparse.Namespace) -> CloudInput:
    """Read some clouds of the given files, folders and bags; unreadable input becomes a finding."""
    found = CloudInput(", ".join(map(str, options.inputs)), file_cures(options.inputs[0]))
    for path in options.inputs:
        try:
            if is_cloud_file(path):
                _read_frames([open_cloud(path, file_reading(options))], found, options)
            elif _is_bag(path):
                found.cures = bag_cures(path)
                _read_bag(path, found, options)
            elif path.is_dir():
                _read_frames(find_frames(path, file_reading(options)), found, options)
            else:
                raise DatasetError(f"{path}: clouds are read from .bin, .pcd, .npy, .ply files, folders and bags")
        except (DatasetError, CloudError) as error:
            found.findings.append(_unreadable(path, str(error)))
    return found


def _unreadable(path: Path, text: str) -> Finding:
    typed = re.search(r"`([^`]+)`", text)
    other = re.search(r"(?:with --topic: |PointCloud2; it has )(/\S+) \(\d", text)
    if other:
        cure = f"pointpillars_ov doctor {path} --topic {other[1]}"
    elif silent := re.search(r"no message on (/\S+);", text):
        cure = f"ros2 topic info -v {silent[1]}   # while it is recorded: who publishes, and does the QoS match?"
    else:
        cure = typed[1] if typed else "pointpillars_ov detect --help   # lists what is read, and flags that say more"
    return Finding("cloud.layout", Level.FAULT, text, (cure,))


def _is_bag(path: Path) -> bool:
    try:
        from pointpillars_ov_ros.bags.reader import SUFFIXES, is_bag
    except ModuleNotFoundError as error:
        raise PointPillarsError(
            f"bags need the Python module {error.name}: install it, or pass .bin, .pcd, .npy or .ply files"
        ) from None
    return is_bag(path) if path.is_dir() else path.suffix.lower() in SUFFIXES


def _read_frames(frames: list[Frame], found: CloudInput, options: argparse.Namespace) -> None:
    """Read some of the frames, evenly spaced."""
    some = frames[:: -(-len(frames) // MOST_CLOUDS)]
    files = frames[0].files
    notes = [] if files is None else files.notes()
    for frame in some:
        found.add(frame.read_points())
    text = (
        f"{frames[0].cloud.suffix} files, x y z intensity"
        if len(frames) > 1
        else f"{frames[0].cloud.name}, x y z intensity"
    )
    more = "; ".join(note for note in notes if not note.startswith("intensities"))
    found.findings.append(Finding("cloud.layout", Level.OK, f"{text}{'; ' if more else ''}{more}"))
    if files is not None and not options.intensity_scale and files.intensity_scale != 1.0:
        found.findings.append(_scaled_by_value(found.cures))
        found.how = ", once scaled"
    if frames[0].cloud.name.endswith(".pcd.bin") and not any(options.sensor_pose):
        pose = found.cures.oddities.pose.format(pose=[0.0] * 5 + [-1.5708], numbers="0 0 0 0 0 -1.5708")
        found.findings.append(Finding("cloud.coordinates", Level.WARN, _NUSCENES, (pose,)))
    blind = next((sentence for frame in some if (sentence := say_blind(frame))), "")
    if blind:
        text = f"{blind.partition(': correct')[0]} by evaluate and quantize"
        cure = f"pointpillars_ov evaluate --data {options.inputs[0]} --no-crop   # or correct the calibration"
        found.findings.append(Finding("cloud.calibration", Level.WARN, text, (cure,)))


def _scaled_by_value(cures: CloudCures) -> Finding:
    text = "intensities range from 0 to 255, while networks expect 0 to 1; they are multiplied by 1/255 automatically"
    return Finding("cloud.intensity", Level.WARN, text, (cures.oddities.intensity,))


def _read_bag(path: Path, found: CloudInput, options: argparse.Namespace) -> None:
    """Read the first clouds of a bag, and the heads of some more."""
    try:
        from pointpillars_ov_ros.bags.sources import open_source
        from pointpillars_ov_ros.clouds.points import CloudReader
        from pointpillars_ov_ros.ros.conversions import stamp_to_ns
        from pointpillars_ov_ros.ros.topic_probe import CloudHead
    except ModuleNotFoundError as error:
        raise PointPillarsError(
            f"{path} is a bag, whose messages need ROS 2 ({error.name} is missing): source it, or pass .bin, .pcd, "
            ".npy or .ply files"
        ) from None
    with open_source(path, options.topic) as source:
        found.name = f"{path}, {source.cloud_topic}"
        reader = CloudReader(cloud_settings(options))
        kept: list[Any] = []
        for item in source.messages():
            if item.cloud is None:
                continue
            try:
                message = source.parse(item.cloud)
            # Broken bytes can make the parsers of rosbags raise anything.
            except Exception as error:
                found.findings.append(_unreadable(path, f"a message is no PointCloud2 ({one_line(error)})"))
                break
            header = message.header
            found.heads.append(CloudHead(stamp_to_ns(header), item.stamp_ns, header.frame_id, len(message.data), None))
            kept += [message] if len(kept) < MOST_CLOUDS else []
            if len(found.heads) >= _MOST_HEADS:
                break
    read_messages(kept, reader, found, options)


def read_messages(messages: Iterable[Any], reader: CloudReader, found: CloudInput, options: argparse.Namespace) -> None:
    """Read clouds from messages; the first one sets how, and an unreadable one becomes a finding."""
    from pointpillars_ov_ros.clouds.layouts import BY_VALUE, recognise
    from pointpillars_ov_ros.clouds.points import is_empty

    has_intensity = True
    for message in messages:
        try:
            cloud = reader.read(message)
        except CloudError as error:
            cure = "fix the message where it is created; docs/sensors.md lists the supported layouts"
            found.findings.append(Finding("cloud.layout", Level.FAULT, f"clouds are refused: {error}", (cure,)))
            return
        has_intensity = has_intensity and (cloud.has_intensity or is_empty(message))
        found.sent += message.width * message.height
        found.clouds.append(np.array(cloud.points))
    reading = reader.reading
    if not reading.names:
        return
    if not has_intensity:
        text = f"no field {reading.intensity_field!r} among {list_names(reading.names)}: intensity is set to 0"
        found.findings.append(Finding("cloud.layout", Level.WARN, text, (found.cures.oddities.intensity,)))
        return
    found.findings.append(Finding("cloud.layout", Level.OK, reading.sentence))
    layout = recognise(reading.names)
    is_told = options.intensity_scale or (layout is not None and layout.preset.intensity_scale != BY_VALUE)
    if not is_told and reading.intensity_scale == BYTE:
        found.findings.append(_scaled_by_value(found.cures))
    if reading.intensity_scale != 1.0:
        found.how = ", once scaled"
    if reading.is_dim:
        text = (
            f"no intensity reaches 0.01 after scaling by {reading.intensity_scale:.4g}: they seem to range from 0 to 1 "
            "already"
        )
        cure = found.cures.oddities.intensity.replace(_BY_VALUE_SCALE, "1.0")
        found.findings.append(Finding("cloud.intensity", Level.WARN, text, (cure,)))


def cloud_settings(options: argparse.Namespace) -> RuntimeConfig:
    """Return the settings for reading messages."""
    return RuntimeConfig(intensity_field=options.intensity_field, intensity_scale=options.intensity_scale)


def file_cures(path: Path) -> CloudCures:
    """Return the cures for clouds in files."""
    again, detect = f"pointpillars_ov doctor {path}", f"pointpillars_ov detect {path}"
    return CloudCures(
        Cures(
            byte_order=f"{again} --columns x,y,z,intensity,ring   # the actual values of a point",
            units=f"{detect} --coordinate-scale {{scale}}",
            frame="subtract the sensor's position from the points before they are written (x forward, y left, z up)",
            pose=f"{detect} --sensor-pose {{numbers}}",
            intensity=f"{detect} --intensity-scale {_BY_VALUE_SCALE}",
        ),
        beams=(f"pointpillars_ov adapt {path} --out mine   # then --model mine/bundle",),
        sensor="use a cloud of a street, with the sensor uncovered and running",
        times="",
    )


def bag_cures(path: Path) -> CloudCures:
    """Return the cures for clouds in a bag."""
    detect = f"pointpillars_ov detect_bag {path} --out {path.name.partition('.')[0]}_detected"
    return CloudCures(
        Cures(
            byte_order="fix is_bigendian, or the datatype or offset of a field, where the messages are created",
            units=f"{detect} --coordinate-scale {{scale}}",
            frame="record the driver's topic, in the sensor's own frame, and not clouds of a map",
            pose=f"{detect} --sensor-pose {{numbers}}",
            intensity=f"{detect} --intensity-scale {_BY_VALUE_SCALE}",
        ),
        beams=(f"pointpillars_ov adapt {path} --out mine   # then --model mine/bundle",),
        sensor="ros2 topic hz TOPIC   # with the sensor running and uncovered; then record again",
        times="ros2 bag record --max-cache-size 1000000000 TOPIC   # onto a faster disk",
    )


def topic_cures(topic: str, target: str) -> CloudCures:
    """Return the cures for clouds on a topic, transformed by TF to the frame `target` unless it is empty."""
    node = f"ros2 run pointpillars_ov_ros pointpillars_detector --ros-args -r points:={topic} -p"
    node += f" target_frame:={target} -p" if target else ""
    return CloudCures(
        Cures(
            byte_order="fix is_bigendian, or the datatype or offset of a field, in the driver",
            units=f"{node} coordinate_scale:={{scale}}",
            frame=f"{node} target_frame:=base_link",
            pose=f'{node} sensor_pose:="{{pose}}"',
            intensity=f"{node} intensity_scale:={_BY_VALUE_SCALE}   # intensity_field:=NAME names another field",
        ),
        beams=(
            f"ros2 bag record {topic} -o drive && pointpillars_ov adapt drive --out mine   # then model:=mine/bundle",
            f"{node} sweeps:=2   # for now",
        ),
        sensor=f"ros2 topic echo --once --field width {topic}   # is the sensor running, and uncovered?",
        times=f"ros2 topic hz {topic}   # on the driver's machine: does the driver lose clouds?",
    )
