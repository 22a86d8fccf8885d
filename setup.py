# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Build description of the ament_python package; colcon runs it in this folder."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "pointpillars_ov_ros"
SHARE = f"share/{PACKAGE}"


def shared_files(*patterns: str) -> list[tuple[str, list[str]]]:
    """(install folder, files) per folder of this tree with a match; what is not there yet is left out."""
    folders: dict[str, list[str]] = defaultdict(list)
    for pattern in patterns:
        for path in sorted(Path().glob(pattern)):
            if path.is_file() and "__pycache__" not in path.parts:
                folders[f"{SHARE}/{path.parent.as_posix()}"].append(path.as_posix())
    return sorted(folders.items())


setup(
    name=PACKAGE,
    version="0.1.0",
    description="PointPillars on OpenVINO: 3D object detection in LiDAR clouds, as ROS 2 nodes and a tool",
    license="Apache-2.0",
    maintainer="The pointpillars_ov_ros authors",
    maintainer_email="maintainer@example.com",
    python_requires=">=3.10",
    install_requires=["setuptools"],
    packages=find_packages(include=[f"{PACKAGE}*"]),
    package_data={PACKAGE: ["py.typed", "conversion/presets/*.yaml", "synthetic/sensors/*.yaml", "cli/*/*.html"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (SHARE, ["package.xml"]),
        *shared_files("launch/*.launch.py", "config/**/*", "models/**/*"),
    ],
    entry_points={
        "console_scripts": [
            f"pointpillars_detector = {PACKAGE}.nodes.entry:detector",
            f"pointpillars_diagnostics = {PACKAGE}.nodes.entry:diagnostics",
            f"kitti_player = {PACKAGE}.nodes.entry:player",
            f"pointpillars_ov = {PACKAGE}.cli.main:main",
        ],
    },
    zip_safe=False,
)
