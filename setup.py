# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Build description for colcon (ament_python) and for pip; the tools are configured in pyproject.toml.

Version, description, licence, author and address are read from package.xml, the run-time requirements from
requirements.txt.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
PACKAGE = "pointpillars_ov_ros"
SHARE = f"share/{PACKAGE}"
BUNDLES = Path(PACKAGE, "model", "bundles")

# env/steps.py reads this dictionary without running the file: literals only.
EXTRAS = {
    "quantize": ["nncf>=3.0"],
    "train": ["torch>=2.2"],
    "ray": ["ray>=2.40"],
    "sign": ["cryptography>=41"],
    "rerun": ["rerun-sdk>=0.23"],
    # Wheels of atheris are for CPython 3.11 to 3.14 on x86_64 Linux.
    "fuzz": ["atheris>=3.0 ; python_version>='3.11' and python_version<'3.15' and platform_machine=='x86_64'"],
    "docs": ["mkdocs>=1.6,<2", "mkdocs-material>=9.5"],
    # By this name colcon knows that pytest runs the tests: `colcon test` would find none otherwise, and call that OK.
    "test": ["pytest>=7,<9", "hypothesis>=6.60", "shapely>=2.0"],
    # What `make lint` and `make test` need: the checkers, the extras that are small, and NNCF.
    "dev": [
        "ruff>=0.6",
        "mypy>=1.11",
        "import-linter>=2.3",
        "types-PyYAML",
        # pytest 9 removed what Jazzy's launch_testing plugin hooks into: with that plugin installed, no test starts.
        "pytest>=7,<9",
        "pytest-xdist>=3.7",
        "hypothesis>=6.60",
        # Polygon intersections, the slow and independent twin of the rotated IoU kernels.
        "shapely>=2.0",
        "build>=1.0",
        # Another vendor's DDS, for the test that a program without ROS is served, too.
        "cyclonedds>=11 ; platform_machine=='x86_64'",
        "cryptography>=41",
        "nncf>=3.0",
    ],
}


def package_files() -> list[str]:
    """Return the files of the package that are no code: models, presets, sensors, templates, py.typed."""
    skipped = {".py", ".pyc", ".nbi", ".nbc"}
    paths = sorted(path for path in Path(PACKAGE).rglob("*") if path.is_file() and path.suffix not in skipped)
    return [path.relative_to(PACKAGE).as_posix() for path in paths]


def shared_files(*patterns: str) -> list[tuple[str, list[str]]]:
    """Return (install folder, files) of each folder of this tree with a match."""
    return by_folder((path.parent.as_posix(), path) for pattern in patterns for path in sorted(Path().glob(pattern)))


def shared_models() -> list[tuple[str, list[str]]]:
    """Return what colcon installs as share/.../models; archives have the bundles once, in the package."""
    if {"bdist_wheel", "sdist"} & set(sys.argv):
        return []
    bundled = ((f"models/{path.parent.name}", path) for path in sorted(BUNDLES.glob("*/*")))
    return shared_files("models/*") + by_folder(bundled)


def by_folder(pairs: Iterable[tuple[str, Path]]) -> list[tuple[str, list[str]]]:
    """Group files by their folder below share/."""
    folders: dict[str, list[str]] = defaultdict(list)
    for folder, path in pairs:
        if path.is_file() and "__pycache__" not in path.parts:
            folders[f"{SHARE}/{folder}"].append(path.as_posix())
    return sorted(folders.items())


def requirements() -> list[str]:
    """Return the run-time requirements, those of requirements.txt."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


manifest = ElementTree.parse(ROOT / "package.xml").getroot()
author = manifest.find("author")
maintainer = manifest.find("maintainer")

setup(
    name=PACKAGE,
    version=manifest.findtext("version"),
    description=manifest.findtext("description"),
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license=manifest.findtext("license"),
    author=author.text,
    maintainer=maintainer.text,
    maintainer_email=maintainer.get("email"),
    url=manifest.findtext("url[@type='website']"),
    python_requires=">=3.10",
    install_requires=requirements(),
    extras_require=EXTRAS,
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={PACKAGE: package_files()},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (SHARE, ["package.xml"]),
        *shared_files("launch/*.launch.py", "config/**/*"),
        *shared_models(),
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
