# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A domain in use is assigned to nobody else, in this process or another."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from test.domains import own_domain

OTHER = "from test.domains import own_domain\nwith own_domain() as number: print(number)"


def test_nobody_gets_a_domain_in_use() -> None:
    with ExitStack() as stack:
        mine = {stack.enter_context(own_domain()) for _ in range(20)}
        assert len(mine) == 20 and all(2 <= int(number) <= 101 for number in mine)
        root = Path(__file__).parents[1]
        for _ in range(3):
            other = subprocess.run([sys.executable, "-c", OTHER], cwd=root, capture_output=True, text=True, check=True)
            assert other.stdout.strip() not in mine
