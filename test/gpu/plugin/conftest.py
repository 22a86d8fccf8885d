# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures for the tests on the GPU plugin: bundles that run within milliseconds, and the switches of its device."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointpillars_ov_ros.model.bundle import ModelBundle, load_bundle
from pointpillars_ov_ros.model.shipped import shipped_model
from test.gpu.cropped_bundle import save_cropped_bundle
from test.gpu.switches import Switches
from test.model.float_bundle import save_float_bundle

# A run of all tests finds these files, too, in a process that has no such device.
collect_ignore_glob = [] if "FAKE_IGPU_SWITCHES" in os.environ else ["test_*.py"]


@pytest.fixture
def switches() -> Iterator[Switches]:
    """Return the switches of the device, all of which are off before and after a test."""
    found = Switches(Path(os.environ["FAKE_IGPU_SWITCHES"]))
    yield found
    found.turn_all_off()


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    """Return the toy bundle: float networks of a few layers, with a PFE that the host encoder knows."""
    return save_float_bundle(tmp_path_factory.mktemp("toy"), pooling="maximum")


@pytest.fixture(scope="session")
def cropped(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    """Return the shipped FP16 networks, for a field of 20 x 20 m."""
    return save_cropped_bundle(load_bundle(shipped_model("streets_fp16")), tmp_path_factory.mktemp("cropped"))


@pytest.fixture(scope="session")
def cropped_int8(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    """Return the shipped INT8 networks, for a field of 20 x 20 m."""
    return save_cropped_bundle(load_bundle(shipped_model("streets_int8")), tmp_path_factory.mktemp("cropped_int8"))
