# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings that work against each other are said in a sentence, and others are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pointpillars_ov_ros.config.runtime_config import DropPolicy, Mode, PerformanceHint, RuntimeConfig
from pointpillars_ov_ros.inference.device.network import Network
from pointpillars_ov_ros.inference.device.properties import compile_properties
from pointpillars_ov_ros.inference.device.setting_warnings import costs
from pointpillars_ov_ros.model.ports import Ports
from test.inference.toy_models import save_doubler

BATCH = "BATCH:CPU(4)"
SPREAD = PerformanceHint.THROUGHPUT


def said(folder: Path, runtime: RuntimeConfig) -> list[str]:
    """Return the warnings if the PFE also runs on its device."""
    pfe, rpn = (
        Network(save_doubler(folder), device, compile_properties(runtime, device), Ports({"in": (1, 4)}, {}))
        for device in (runtime.pfe_device, runtime.rpn_device)
    )
    return list(costs(runtime, rpn, pfe))


@pytest.mark.parametrize(
    "settings",
    [
        *({"mode": mode} for mode in Mode),
        *({"mode": mode, "rpn_device": BATCH, "auto_batch_timeout_ms": 0} for mode in Mode),
        {"mode": Mode.THROUGHPUT, "rpn_device": BATCH},
        {"mode": Mode.THROUGHPUT, "rpn_device": BATCH, "auto_batch_timeout_ms": 1000, "drop_policy": DropPolicy.REPLAY},
        {"mode": Mode.BALANCED, "performance_hint": SPREAD},
        {"mode": Mode.THROUGHPUT, "performance_hint": SPREAD},
    ],
    ids=str,
)
def test_what_costs_nothing_is_not_warned_of(tmp_path: Path, settings: dict[str, Any]) -> None:
    assert said(tmp_path, RuntimeConfig(**settings)) == []


@pytest.mark.parametrize(
    ("settings", "begin", "advice"),
    [
        ({"rpn_device": BATCH}, "rpn_device: every cloud waits 20 ms for nothing", "use mode throughput"),
        ({"rpn_device": BATCH, "mode": Mode.BALANCED}, "rpn_device: every cloud waits 20 ms", "in balanced mode"),
        (
            {"rpn_device": BATCH, "mode": Mode.THROUGHPUT, "auto_batch_timeout_ms": 1000},
            "auto_batch_timeout_ms: one lidar at 10 Hz sends a cloud every 100 ms",
            "waits up to 1000 ms for others: set it to 25 or less",
        ),
        ({"pfe_device": BATCH}, "pfe_device: most clouds wait 20 ms", "encoder host"),
        ({"performance_hint": SPREAD}, "performance_hint: THROUGHPUT makes each cloud slower", "leave it AUTO"),
    ],
)
def test_what_hurts_is_one_sentence_that_says_the_cost_and_the_setting(
    tmp_path: Path, settings: dict[str, Any], begin: str, advice: str
) -> None:
    (text,) = said(tmp_path, RuntimeConfig(**settings))
    assert text.startswith(begin) and advice in text and "\n" not in text
