# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Access control, a short version; skipped if DDS is built without security, or sros2 is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from test.torture import security
from test.torture.scenario import NotHereError, Scenario

SECONDS = 2.0


@pytest.mark.parametrize("one", security.SCENARIOS[1:], ids=lambda one: one.name)
def test_an_intruder_gets_as_far_as_it_should(tmp_path: Path, one: Scenario) -> None:
    try:
        one.play(tmp_path / "arena", seconds=SECONDS)
    except NotHereError as missing:
        pytest.skip(str(missing))
