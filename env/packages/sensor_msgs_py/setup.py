# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Installs the stand-in for sensor_msgs_py."""

from setuptools import setup

setup(
    name="sensor_msgs_py",
    version="5.3.6",
    packages=["sensor_msgs_py"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/sensor_msgs_py"]),
        ("share/sensor_msgs_py", ["package.xml"]),
    ],
    license="Apache-2.0",
)
