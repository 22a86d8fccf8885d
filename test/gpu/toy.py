# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clouds of the toy bundle that the tests on the GPU plugin use: small, and such that the host can encode them."""

from __future__ import annotations

import numpy as np

from test.builders import Points, random_cloud
from test.model.float_bundle import toy_config


def toy_cloud(number: int) -> Points:
    """Return a cloud of its own for each number."""
    return random_cloud(np.random.default_rng(number), 60 + number % 7, toy_config().grid)
