# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A KITTI frame as ROS messages, as published by the player and written by `kitti_to_bag`."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from sensor_msgs.msg import CameraInfo, CompressedImage, PointCloud2, PointField
from sensor_msgs_py.point_cloud2 import create_cloud
from std_msgs.msg import Header
from vision_msgs.msg import Detection3DArray

from pointpillars_ov_ros.core.arrays import DoubleArray
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.kitti.calibration import IMAGE_SIZE, Calibration
from pointpillars_ov_ros.kitti.frames import Frame
from pointpillars_ov_ros.kitti.labels import lidar_boxes
from pointpillars_ov_ros.ros.conversions import to_detection_array

# The fields of velodyne_pointcloud without ring and time, which KITTI's files lack.
FIELDS = [
    PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
    for index, name in enumerate(("x", "y", "z", "intensity"))
]


def to_cloud(frame: Frame, header: Header, crop: bool) -> PointCloud2:
    """Return the cloud of a frame; with `crop`, only what the camera sees, if the calibration is known."""
    return create_cloud(header, FIELDS, frame.read_points(crop))


def to_ground_truth(frame: Frame, header: Header) -> Detection3DArray | None:
    """Return the labelled objects of a frame in the lidar frame, scored 1; None if there are no labels."""
    objects, calibration = frame.read_labels(), frame.read_calibration()
    if objects is None or calibration is None:
        return None
    labelled = [o for o in objects if o.type != "DontCare"]
    classes = tuple(sorted({o.type for o in labelled}))
    truth = Detections(
        lidar_boxes(labelled, calibration),
        np.ones(len(labelled), np.float32),
        np.array([classes.index(o.type) for o in labelled], np.int32),
    )
    return to_detection_array(truth, classes, header)


def lidar_transform(header: Header, child_frame_id: str, height: float) -> TransformStamped:
    """Return the pose of the lidar: `height` (m) above the frame of `header`, with the same orientation."""
    transform = TransformStamped(header=header, child_frame_id=child_frame_id)
    transform.transform.translation.z = height
    return transform


def camera_transform(header: Header, child_frame_id: str, calibration: Calibration) -> TransformStamped:
    """Return the pose of the left colour camera (x right, y down, z forward) in the lidar frame of `header`."""
    _, T_camera_lidar = calibration.pinhole()
    T_lidar_camera: DoubleArray = np.linalg.inv(T_camera_lidar).astype(np.float64)
    x, y, z = T_lidar_camera[:3, 3].tolist()
    pose = Transform(translation=Vector3(x=x, y=y, z=z), rotation=to_quaternion(T_lidar_camera[:3, :3]))
    return TransformStamped(header=header, child_frame_id=child_frame_id, transform=pose)


def to_camera_info(header: Header, calibration: Calibration, image_size: tuple[int, int] | None) -> CameraInfo:
    """Return the CameraInfo of the left colour camera, whose images are rectified; None: KITTI's size (pixels)."""
    matrix, _ = calibration.pinhole()
    width, height = image_size or IMAGE_SIZE
    return CameraInfo(
        header=header,
        width=width,
        height=height,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=matrix.ravel(),
        r=np.eye(3).ravel(),
        p=np.hstack([matrix, np.zeros((3, 1))]).ravel(),
    )


def to_image(header: Header, png: bytes) -> CompressedImage:
    """Return an image as stored in the file."""
    return CompressedImage(header=header, format="png", data=png)


def to_quaternion(rotation: DoubleArray) -> Quaternion:
    """Return the unit quaternion nearest to `rotation` (3, 3), whose numbers may be rounded (Bar-Itzhack 2000)."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = rotation
    table = np.array(
        [
            [xx - yy - zz, yx + xy, zx + xz, zy - yz],
            [yx + xy, yy - xx - zz, zy + yz, xz - zx],
            [zx + xz, zy + yz, zz - xx - yy, yx - xy],
            [zy - yz, xz - zx, yx - xy, xx + yy + zz],
        ]
    )
    x, y, z, w = np.linalg.eigh(table)[1][:, -1].tolist()
    return Quaternion(x=x, y=y, z=z, w=w) if w >= 0 else Quaternion(x=-x, y=-y, z=-z, w=-w)
