# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`benchmark --networks` as a person runs it, on toy networks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.cli.tables import PERCENTILES
from test.inference.toy_bundle import save_toy_bundle

NETWORKS = ["RPN, unchanged", "RPN, rewritten"]


def benchmark(*arguments: object) -> int:
    return cli.main(["benchmark", "--networks", *map(str, arguments)])


@pytest.mark.parametrize("block", [0, 7])
def test_each_network_is_measured_alone_and_two_side_by_side(
    block: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, report = save_toy_bundle(tmp_path / "toy"), tmp_path / "out" / "report.json"
    asked = ["--precision", "f32", "bf16", "--mode", "all", "--pfe-block", block]
    assert benchmark("--model", bundle.folder, "--repeat", 2, *asked, "--json", report) == 0
    limit = bundle.config.grid.max_pillars
    networks = [f"PFE, {limit} pillars", *([f"PFE, {block} pillars"] if block else []), *NETWORKS]
    rows = json.loads(report.read_text())["networks"]
    assert [(row["asked"], row["network"]) for row in rows] == [(p, n) for p in ("f32", "bf16") for n in networks]
    for row in rows:
        assert row["device"] == "CPU" and row["requests"] >= 1
        assert list(row["request_ms"]) == list(PERCENTILES)
        assert min(row["compile_s"], row["fps"], row["size_mb"], *row["request_ms"].values()) > 0
        is_beside = row["network"] in (networks[0], networks[-1])
        assert (row["beside_fps"] is not None) is (row["beside_share"] is not None) is is_beside
    lines = capsys.readouterr().out.splitlines()
    for network in networks:
        assert sum(line.startswith(f"{network} ") for line in lines) == 2
