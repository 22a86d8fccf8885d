# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests on the GPU plugin share: clouds of the toy bundle, and compiled networks."""

from __future__ import annotations

import os
from tempfile import TemporaryDirectory

import numpy as np

from test.builders import Points, random_cloud
from test.model.float_bundle import toy_config

CACHE_VARIABLE = "POINTPILLARS_GPU_TEST_CACHE"
_OWN_CACHE = TemporaryDirectory(prefix="gpu-cache-")
CACHE_DIR = os.environ.get(CACHE_VARIABLE) or _OWN_CACHE.name
"""Folder of compiled networks for all files of a run, since compiling for the GPU is most of what the tests cost.

A test whose subject is the compiling itself uses another one, or none.
"""


def toy_cloud(number: int) -> Points:
    """Return a cloud for each number, small, and such that the host can encode it."""
    return random_cloud(np.random.default_rng(number), 60 + number % 7, toy_config().grid)
