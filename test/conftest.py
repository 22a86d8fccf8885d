# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of all tests: a ROS domain of their own, the kitti_car bundle, nodes as processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointpillars_ov_ros.conversion.importers import import_ir
from pointpillars_ov_ros.model.bundle import ModelBundle, load_bundle
from pointpillars_ov_ros.model.shipped import shipped_model
from pointpillars_ov_ros.ros.dds import readable_profiles, remove_dead_segments
from test.domains import own_domain
from test.shared_data import KITTI_CAR

ROOT = Path(__file__).parent.parent

# Before any context is made, and inherited by every process that a test starts.
_domain = own_domain()
os.environ["ROS_DOMAIN_ID"] = _domain.__enter__()
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ.update(readable_profiles(os.environ, ROOT))
# The width of a terminal, which pytest-xdist sets, and some shells do: lines are to be broken alike everywhere.
os.environ.pop("COLUMNS", None)

_LONGEST = ("gpu", "dds", "torture", "docs", "cli", "launch")
"""Folders whose files take longest, in the order in which they are begun. The rest takes seconds."""


@pytest.fixture(scope="session")
def bundled() -> ModelBundle:
    """Return the bundled model, INT8, trained on simulated streets."""
    return load_bundle(shipped_model())


@pytest.fixture(scope="session")
def kitti_car(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    """Return the bundle of the real network in ../shared."""
    return import_ir(KITTI_CAR, "smallmunich_car", tmp_path_factory.mktemp("models") / "kitti_car")


@pytest.fixture(scope="module")
def ros() -> Iterator[None]:
    """Keep a ROS context for a module; making and ending one for every test takes longer than most."""
    import rclpy

    of_session = os.environ["ROS_DOMAIN_ID"]
    with own_domain() as number:
        os.environ["ROS_DOMAIN_ID"] = number
        rclpy.init()
        yield
        rclpy.try_shutdown()
    os.environ["ROS_DOMAIN_ID"] = of_session


def pytest_configure(config: pytest.Config) -> None:
    """Leave the slow tests out of `colcon test`, which is known by its option, unless it is asked for some."""
    if config.getoption("junitprefix") and not config.getoption("markexpr"):
        config.option.markexpr = "not slow"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let workers of pytest-xdist begin with the longest files, so that none of them ends long after the others."""
    if hasattr(config, "workerinput"):
        items.sort(key=_place_in_run)


def _place_in_run(item: pytest.Item) -> int:
    folder = item.path.relative_to(ROOT / "test").parts[0]
    return _LONGEST.index(folder) if folder in _LONGEST else len(_LONGEST)


def pytest_sessionfinish() -> None:
    """Free what killed nodes left."""
    remove_dead_segments()
