# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bad peers on the topic of the clouds, played short."""

from __future__ import annotations

from pathlib import Path

from test.torture.bad_peers import refused


def test_what_cannot_be_read_is_refused_while_a_good_driver_goes_on(tmp_path: Path) -> None:
    refused(tmp_path / "run", "fields", count=20, good=20)
