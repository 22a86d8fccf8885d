# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measuring claims: on toy networks what comes out is of no interest, but something must; and the report."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.claims import agreement as claims_agreement
from benchmarks.claims import growth as claims_growth
from benchmarks.claims import speed as claims_speed
from benchmarks.claims.claim import Claim, ClaimInputs, tally
from benchmarks.claims.run import write_report
from benchmarks.claims.start import time_start
from benchmarks.reference_pipeline import ReferencePipeline
from pointpillars_ov_ros.cli.machine import look_around
from pointpillars_ov_ros.cli.measurement.workloads import read_clouds
from pointpillars_ov_ros.clouds.points import read_cloud
from pointpillars_ov_ros.config.errors import InferenceError
from pointpillars_ov_ros.config.runtime_config import DropPolicy, EncoderChoice, Mode, Precision, RuntimeConfig
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.model.bundle import ModelBundle
from test.inference.toy_bundle import save_toy_bundle, toy_cloud
from test.shared_data import KITTI, needs_shared_data


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> ClaimInputs:
    folder = tmp_path_factory.mktemp("toy")
    for number in range(2):
        toy_cloud(number).tofile(folder / f"{number:06}.bin")
    return ClaimInputs(save_toy_bundle(folder / "model"), folder, read_clouds(folder), rounds=2)


@pytest.mark.parametrize(
    ("measure", "sizes"),
    [
        (claims_speed.claim_latency, ["4 pairs", "4 frames"]),
        (claims_speed.claim_lean_rpn, ["20 pairs"]),
        (claims_speed.claim_throughput, ["8 pairs"]),
        (claims_speed.claim_reference, ["2 pairs"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_claim_has_a_figure_and_says_what_it_is_of(
    inputs: ClaimInputs, measure: Callable[[ClaimInputs], list[Claim]], sizes: list[str]
) -> None:
    claims = measure(inputs)
    assert len(claims) == len(sizes)
    for claim, size in zip(claims, sizes, strict=True):
        assert claim.figure > 0 and claim.limit
        assert size in claim.how
        if claim.bounds:
            assert claim.bounds[0] <= claim.figure <= claim.bounds[1]


def test_host_time_is_measured_for_every_size_in_every_round(
    inputs: ClaimInputs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(claims_growth, "SIZES", (50, 100, 400))
    rounds_ms = claims_growth.measure_growth(inputs)
    assert len(rounds_ms) >= inputs.rounds
    assert all(len(times_ms) == 3 and min(times_ms) > 0 for times_ms in rounds_ms)
    (claim,) = claims_growth.claim_growth(rounds_ms)
    assert claim.figure > 0 and f"{len(rounds_ms)} rounds" in claim.how
    medians_ms = claims_growth.medians_ms(rounds_ms)
    assert len(medians_ms) == 3
    claims_growth.draw_growth(tmp_path / "growth.png", medians_ms, "a title")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_every_mode_encoder_and_shape_is_a_way() -> None:
    ways = list(claims_agreement.every_way())
    assert len(set(ways)) == len(ways) == len(Mode) * 3
    for way in ways:
        assert way.encoder is not EncoderChoice.AUTO
        assert (way.precision, way.drop_policy) == (Precision.F32, DropPolicy.REPLAY)


@needs_shared_data
def test_agreement_is_with_the_reference_pipeline_and_in_order(kitti_car: ModelBundle) -> None:
    clouds = read_clouds(KITTI / "training" / "velodyne_reduced", 9)[7:]
    way = RuntimeConfig(
        mode=Mode.BALANCED, encoder=EncoderChoice.HOST, precision=Precision.F32, drop_policy=DropPolicy.REPLAY
    )
    reference = ReferencePipeline(kitti_car, way)
    expected = [reference.detect(read_cloud(cloud, "intensity", 1.0).points) for cloud in clouds]
    assert all(map(len, expected))
    results = claims_agreement.send(kitti_car, clouds, way)
    assert claims_agreement.are_same(results, clouds, expected)
    assert not claims_agreement.are_same(results[::-1], clouds, expected[::-1])
    assert not claims_agreement.are_same(results, clouds, expected[::-1])
    assert not claims_agreement.are_same(results, clouds, [expected[0], Detections.empty()])


def test_a_start_in_which_nothing_is_detected_is_an_error_with_its_reason(inputs: ClaimInputs, tmp_path: Path) -> None:
    nowhere = dataclasses.replace(inputs, bundle=ModelBundle(inputs.bundle.config, tmp_path / "nowhere"))
    with pytest.raises(InferenceError, match=r"ended with code 1: .*nowhere holds no bundle.yaml"):
        time_start(nowhere, str(tmp_path))


def test_the_report_holds_every_claim_for_people_and_for_programs(tmp_path: Path) -> None:
    claims = [
        Claim("fast", 1.04, 1.05, bounds=(1.03, 1.06), how="median of 9"),
        Claim("slow", 9.0, 3.0, " s", how="one start"),
    ]
    growth_ms = [1.0, 2.0, 3.0, 5.0, 9.0]
    write_report(tmp_path, look_around("toy"), 11, 5, claims, growth_ms)
    document = json.loads((tmp_path / "claims.json").read_text())
    written = [(claim["text"], claim["figure"], claim["is_met"]) for claim in document["claims"]]
    assert written == [("fast", 1.04, True), ("slow", 9.0, False)]
    assert [size["host_ms"] for size in document["growth"]] == growth_ms
    assert document["model"] == "toy" and document["data"] == {"frames": 11, "rounds": 5}
    text = (tmp_path / "claims.md").read_text()
    assert "| fast | 1.04 | 1.03 to 1.06 | <= 1.05 | met |" in text
    assert "* slow: one start." in text and tally(claims) in text
    assert "(growth.png)" in text and (tmp_path / "growth.png").stat().st_size > 10_000
