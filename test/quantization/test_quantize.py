# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Toy networks quantized by NNCF: what becomes INT8, what stays float, what is refused, which clouds are used."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from pointpillars_ov_ros.config.errors import BundleError, ConfigError, DatasetError, PointPillarsError
from pointpillars_ov_ros.conversion.inspection import INT8, inspect_bundle
from pointpillars_ov_ros.core.dense_pfe import DensePfe, DensePfeInputs
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.core.pillars import Pillars
from pointpillars_ov_ros.model.bundle import ModelBundle, load_bundle, sha256
from pointpillars_ov_ros.model.graph import find, source
from pointpillars_ov_ros.model.lean_rpn import make_lean
from pointpillars_ov_ros.model.ports import pfe_ports
from pointpillars_ov_ros.quantization.check import Agreement, Change, compare, margin_below
from pointpillars_ov_ros.quantization.data import CanvasMaker, PfeInputMaker, spread, take_pillars
from pointpillars_ov_ros.quantization.quantize import (
    Clouds,
    Part,
    Preset,
    QuantizationSettings,
    Ranges,
    load_nncf,
    quantize_bundle,
    read_float_model,
)
from test.builders import Points, grouped
from test.model.float_bundle import save_float_bundle, toy_clouds, toy_config

SUBSET = 3


def given(*points: Points) -> Clouds:
    """Return clouds to calibrate and check with."""
    clouds = [lambda cloud=cloud: cloud for cloud in points]
    return Clouds(clouds, clouds, "toys")


def quantize(folder: Path, bundle: ModelBundle, settings: QuantizationSettings | None = None) -> ModelBundle:
    scratch = folder / "scratch"
    scratch.mkdir()
    return quantize_bundle(bundle, settings or QuantizationSettings(), given(*toy_clouds(SUBSET)), scratch)


def precisions(bundle: ModelBundle, part: Part = Part.RPN) -> dict[str, str]:
    """Return the precision of each layer, by name."""
    return {layer.name: layer.precision for layer in inspect_bundle(bundle).networks[part].layers}


def agreement(before: ModelBundle, after: ModelBundle) -> float:
    """Return the agreement of detections."""
    clouds = given(*toy_clouds(SUBSET)).checks
    measure = Agreement(before, read_float_model(before, Part.RPN), clouds).measure
    return measure(ov.Core().compile_model(after.path("rpn.xml"), "CPU"), range(SUBSET))[0]


Pair = tuple[ModelBundle, ModelBundle]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Return a bundle, and the one quantized from it with default settings."""
    folder = tmp_path_factory.mktemp("pair")
    bundle = save_float_bundle(folder)
    return bundle, quantize(folder, bundle)


@pytest.mark.parametrize("to_f16", [False, True])
def test_the_rpn_becomes_int8_and_detects_the_same(tmp_path: Path, pair: Pair, to_f16: bool) -> None:
    bundle, made = pair
    if to_f16:
        bundle = save_float_bundle(tmp_path, to_f16=True)
        made = quantize(tmp_path, bundle)
    assert set(precisions(made).values()) == {INT8}
    assert load_bundle(made.folder) == made
    assert agreement(bundle, made) > 0.9
    sizes = [inspect_bundle(one).networks["rpn"].layers for one in (bundle, made)]
    before, after = (sum(layer.weight_bytes for layer in layers) for layers in sizes)
    assert after == before // (2 if to_f16 else 4)


def test_all_else_of_the_bundle_stays(pair: Pair) -> None:
    bundle, made = pair
    hashes = bundle.config.sha256
    for name in ("pfe.xml", "pfe.bin"):
        assert made.config.sha256[name] == hashes[name]
    assert {name: sha256(bundle.path(name)) for name in hashes} == hashes
    assert made.config.name == f"{bundle.config.name}_int8"
    assert (made.config.grid, made.config.anchors, made.config.rpn) == (
        bundle.config.grid, bundle.config.anchors, bundle.config.rpn,
    )  # fmt: skip


def test_the_provenance_says_what_was_done_to_what_with_what(tmp_path: Path) -> None:
    import nncf

    bundle = save_float_bundle(tmp_path)
    settings = QuantizationSettings(preset=Preset.MIXED, ignored=("first",))
    assert quantize(tmp_path, bundle, settings).config.provenance == (
        f"made up; rpn.bin (sha256 {bundle.config.sha256['rpn.bin']}) quantized to INT8 by NNCF {nncf.__version__} "
        "(preset mixed, ranges widest; left float: first; calibrated with 3 clouds of toys)"
    )


def test_the_widest_ranges_are_wider_than_the_mean_ones(tmp_path: Path) -> None:
    reach = {}
    for ranges in Ranges:
        folder = tmp_path / ranges.value
        folder.mkdir()
        made = quantize(folder, save_float_bundle(folder), QuantizationSettings(ranges=ranges))
        first = find(ov.Core().read_model(made.path("rpn.xml")), "FakeQuantize")[0]
        reach[ranges] = float(source(first, 2).get_data().reshape(-1)[0])
    assert reach[Ranges.WIDEST] > reach[Ranges.MEAN]


@pytest.mark.parametrize("preset", Preset)
def test_the_preset_shapes_the_range_of_the_canvas(tmp_path: Path, preset: Preset) -> None:
    """Features of the toy are around 0, to one side more than to the other."""
    made = quantize(tmp_path, save_float_bundle(tmp_path), QuantizationSettings(preset=preset))
    first = find(ov.Core().read_model(made.path("rpn.xml")), "FakeQuantize")[0]
    low, high = (float(source(first, index).get_data().reshape(-1)[0]) for index in (1, 2))
    assert low < 0 < high
    assert (low == pytest.approx(-high * 128 / 127)) == (preset is Preset.PERFORMANCE)


def test_the_lean_rpn_takes_the_quantized_canvas_as_uint8(pair: Pair) -> None:
    bundle, made = pair
    assert make_lean(ov.Core().read_model(made.path("rpn.xml"))).canvas.quantized
    assert not make_lean(ov.Core().read_model(bundle.path("rpn.xml"))).canvas.quantized


@pytest.mark.parametrize(
    ("ignored", "floats"),
    [(("second", "boxes"), {"second", "head of boxes"}), (("head of scores", "scores"), {"head of scores"})],
)
def test_layers_stay_float_by_their_name_or_that_of_their_output(
    tmp_path: Path, ignored: tuple[str, ...], floats: set[str]
) -> None:
    made = quantize(tmp_path, save_float_bundle(tmp_path), QuantizationSettings(ignored=ignored))
    assert {name for name, precision in precisions(made).items() if precision != INT8} == floats


def test_an_unknown_layer_is_named_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(PointPillarsError) as raised:
        quantize(tmp_path, save_float_bundle(tmp_path), QuantizationSettings(ignored=("first", "third")))
    assert str(raised.value).startswith("--ignore third: no such layer or output; the layers are first, second, ")


def test_of_a_pfe_the_layer_that_reads_metres_stays_float(tmp_path: Path) -> None:
    bundle = save_float_bundle(tmp_path, pooling="convolution")
    made = quantize(tmp_path, bundle, QuantizationSettings(parts=tuple(Part)))
    assert list(precisions(made, Part.PFE).values()) == ["f32", INT8]
    pfe = ov.Core().read_model(made.path("pfe.xml"))
    assert len([node for node in find(pfe, "FakeQuantize") if source(node).get_type_name() != "Constant"]) == 1
    assert set(precisions(made).values()) == {INT8}
    before, after = (CanvasMaker(one).make(lambda: toy_clouds(1)[0]).copy() for one in (bundle, made))
    assert 0 < np.abs(before - after).max() < 0.02 * np.abs(before).max()


def test_a_pfe_of_one_layer_has_nothing_to_quantize(tmp_path: Path) -> None:
    bundle = save_float_bundle(tmp_path, pooling="maximum")
    with pytest.raises(BundleError, match=r"pfe\.xml has 1 layer with weights.*there is nothing to quantize$"):
        quantize(tmp_path, bundle, QuantizationSettings(parts=(Part.PFE,)))


def test_what_is_quantized_is_not_quantized_again(pair: Pair) -> None:
    _, made = pair
    with pytest.raises(BundleError, match=r"rpn\.xml of \w+ is already quantized \(it has \d+ FakeQ\w+ layers\)"):
        read_float_model(made, Part.RPN)
    read_float_model(made, Part.PFE)


def test_clouds_without_a_point_in_range_calibrate_nothing(tmp_path: Path) -> None:
    away = np.full((5, 4), 1000, np.float32)
    with pytest.raises(DatasetError) as raised:
        quantize_bundle(save_float_bundle(tmp_path), QuantizationSettings(), given(away, away), tmp_path)
    assert str(raised.value) == "toys: none of 2 clouds has a point in the range of tiny"


def test_accuracy_control_returns_layers_to_float(tmp_path: Path) -> None:
    """With a single scale for all channels, only the widest of those that the uneven layer reads survives."""
    bundle = save_float_bundle(tmp_path, uneven=True)
    assert agreement(bundle, quantize(tmp_path, bundle)) < 0.9
    (tmp_path / "scratch").rename(tmp_path / "first")
    made = quantize(tmp_path, bundle, QuantizationSettings(ranges=Ranges.MEAN, max_drop=0.02))
    assert precisions(made)["second"] == "f32"
    assert INT8 in precisions(made).values()
    assert agreement(bundle, made) >= 0.98


def test_a_drop_that_no_int8_keeps_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"rpn\.xml has no layer left to quantize within a drop of 0$"):
        quantize(tmp_path, save_float_bundle(tmp_path, uneven=True), QuantizationSettings(max_drop=0.0))


@pytest.mark.parametrize("drop", [-0.1, 1.0, float("nan")])
def test_a_drop_that_is_no_part_is_refused(drop: float) -> None:
    with pytest.raises(ConfigError, match="max_drop: "):
        QuantizationSettings(max_drop=drop)


def test_without_nncf_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(PointPillarsError, match="nncf is missing, which only quantize needs: `pip install nncf`"):
        load_nncf()


def test_what_nncf_itself_misses_is_not_taken_for_nncf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "nncf.py").write_text("import a_module_that_nobody_has\n")
    monkeypatch.delitem(sys.modules, "nncf", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_module_that_nobody_has"):
        load_nncf()


def run_pfe(pfe: ov.CompiledModel, pillars: Pillars) -> np.ndarray:
    """Return the features (C, max_pillars) of all pillars, padded."""
    config = toy_config()
    shapes = pfe_ports(config, config.grid.max_pillars).inputs
    names = [getattr(config.pfe.inputs, field) for field in DensePfeInputs._fields]
    inputs = {name: np.zeros(shapes[name], np.float32) for name in names}
    DensePfe(config.grid, DensePfeInputs(*inputs.values())).fill(pillars)
    return pfe(inputs)[config.pfe.output][0, :, :, 0]


@pytest.mark.parametrize("pooling", ["", "maximum", "convolution"])
def test_canvases_are_those_of_the_host_road_in_one_place(tmp_path: Path, pooling: str) -> None:
    bundle = save_float_bundle(tmp_path, pooling=pooling)
    maker = CanvasMaker(bundle)
    pfe = ov.Core().compile_model(bundle.path("pfe.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    memory = maker.make(lambda: toy_clouds(1)[0])
    total = 0
    for cloud in toy_clouds(SUBSET):
        canvas = maker.make(lambda cloud=cloud: cloud)
        assert canvas is memory
        pillars = grouped(cloud, bundle.config.grid)
        wanted = np.zeros(bundle.config.canvas_shape, np.float32)
        coords = pillars.coords[: pillars.size]
        wanted[0][:, coords[:, 1], coords[:, 0]] = run_pfe(pfe, pillars)[:, : pillars.size]
        np.testing.assert_allclose(canvas, wanted, rtol=1e-4, atol=1e-3)
        assert maker.pillars.size == pillars.size
        total += pillars.size
    assert maker.pillars_seen == total + grouped(toy_clouds(1)[0], bundle.config.grid).size


def test_clouds_are_read_when_their_turn_comes(tmp_path: Path) -> None:
    read: list[int] = []

    def cloud(number: int) -> Points:
        read.append(number)
        return toy_clouds(SUBSET)[number]

    bundle = save_float_bundle(tmp_path)
    readers = [lambda number=number: cloud(number) for number in range(SUBSET)]
    clouds = Clouds(readers, readers, "toys")
    assert read == []
    quantize_bundle(bundle, QuantizationSettings(), clouds, tmp_path)
    assert read[:SUBSET] == list(range(SUBSET))


@pytest.mark.parametrize("block", [1, 7, 40, 60])
def test_pfe_inputs_are_those_of_pillars_from_all_over_the_cloud(block: int) -> None:
    config = toy_config()
    cloud = toy_clouds(1)[0]
    tensors, pillars = PfeInputMaker(config, block).make(lambda: cloud), grouped(cloud, config.grid)
    count = min(block, pillars.size)
    for row, pillar in enumerate(np.linspace(0, pillars.size - 1, count).astype(int)):
        points = pillars.points[pillars.starts[pillar] : pillars.starts[pillar + 1]]
        assert tensors["count"][0, row] == len(points)
        np.testing.assert_array_equal(tensors["px"][0, 0, row, : len(points)], points[:, 0])
        np.testing.assert_array_equal(tensors["mask"][0, 0, row].sum(), len(points))
    assert tensors["px"].shape == (1, 1, block, config.grid.max_points_per_pillar)
    assert not tensors["mask"][0, 0, count:].any()


def test_no_pillar_is_taken_of_an_empty_cloud() -> None:
    config = toy_config()
    pillars = grouped(np.empty((0, 4), np.float32), config.grid)
    into = grouped(toy_clouds(1)[0], config.grid)
    take_pillars(pillars, np.empty(0, np.intp), into)
    assert (into.size, len(into.points)) == (0, 0)


@pytest.mark.parametrize(("count", "wanted"), [(10, 3), (10, 10), (10, 11), (1, 300), (0, 5), (301, 300), (7481, 300)])
def test_clouds_are_taken_evenly(count: int, wanted: int) -> None:
    chosen = spread(count, wanted)
    assert len(chosen) == min(count, wanted)
    assert chosen == sorted(set(chosen) & set(range(count)))
    steps = np.diff(chosen)
    assert not len(steps) or steps.max() - steps.min() <= 1


def detections(*rows: tuple[float, float, float], labels: tuple[int, ...] = ()) -> Detections:
    """Return detections at x, y with a score, best first."""
    rows = tuple(sorted(rows, key=lambda row: -row[2]))
    boxes = np.zeros((len(rows), 7), np.float32)
    scores = np.array([row[2] for row in rows], np.float32)
    for box, (x, y, _) in zip(boxes, rows, strict=True):
        box[:2] = x, y
    return Detections(boxes, scores, np.array(labels or [0] * len(rows), np.int32))


def counts(change: Change) -> tuple[int, int, int, int, int]:
    return change.before, change.after, change.matched, len(change.lost_scores), len(change.new_scores)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (detections(), detections(), (0, 0, 0, 0, 0)),
        (detections((5, 0, 0.9)), detections((5.3, 0.4, 0.8)), (1, 1, 1, 0, 0)),
        (detections((5, 0, 0.9)), detections((5.9, 0.5, 0.8)), (1, 1, 0, 1, 1)),
        (detections((5, 0, 0.9)), detections(), (1, 0, 0, 1, 0)),
        (detections(), detections((5, 0, 0.9)), (0, 1, 0, 0, 1)),
        # Of two that are near enough, one is a partner.
        (detections((5, 0, 0.9)), detections((5.2, 0, 0.8), (5.1, 0, 0.6)), (1, 2, 1, 0, 1)),
        (detections((5, 0, 0.9), (6, 0, 0.8)), detections((5.6, 0, 0.9)), (2, 1, 1, 1, 0)),
        # Below the threshold of 0.5, one may be a partner, but neither be lost nor new.
        (detections((5, 0, 0.55)), detections((5, 0, 0.45)), (1, 0, 1, 0, 0)),
        (detections((5, 0, 0.45)), detections((5, 0, 0.55)), (0, 1, 1, 0, 0)),
        (detections((5, 0, 0.45)), detections((5, 0, 0.45)), (0, 0, 0, 0, 0)),
        (detections((5, 0, 0.45)), detections((9, 0, 0.45)), (0, 0, 0, 0, 0)),
        (detections((5, 0, 0.9), labels=(0,)), detections((5, 0, 0.9), labels=(1,)), (1, 1, 0, 1, 1)),
    ],
)
def test_detections_are_matched_lost_or_new(
    before: Detections, after: Detections, expected: tuple[int, int, int, int, int]
) -> None:
    change = compare([before], [after], 0.5)
    assert counts(change) == expected
    _, _, _, lost, new = expected
    total = change.before + change.after
    assert change.drop == pytest.approx((lost + new) / total if total else 0.0)


def test_changes_of_all_clouds_come_together() -> None:
    before = [detections((5, 0, 0.9), (20, 0, 0.6)), detections((7, 1, 0.7))]
    after = [detections((5.3, 0.4, 0.8)), detections((7, 1, 0.75), (30, 3, 0.55))]
    change = compare(before, after, 0.5)
    assert counts(change) == (3, 3, 2, 1, 1)
    np.testing.assert_allclose(sorted(change.shifts), [0.0, 0.5], atol=1e-6)
    np.testing.assert_allclose(sorted(change.score_changes), [-0.1, 0.05], atol=1e-6)
    np.testing.assert_allclose(change.lost_scores, [0.6], atol=1e-6)
    np.testing.assert_allclose(change.new_scores, [0.55], atol=1e-6)
    assert change.drop == pytest.approx(2 / 6)


@pytest.mark.parametrize(("threshold", "below"), [(0.3, 0.2), (1.0, 0.9), (0.1, 0.05), (0.02, 0.01)])
def test_partners_may_score_a_little_less(threshold: float, below: float) -> None:
    assert margin_below(threshold) == pytest.approx(below)


def test_the_untouched_network_agrees_with_itself_and_a_blind_one_does_not(tmp_path: Path) -> None:
    bundle = save_float_bundle(tmp_path)
    model = read_float_model(bundle, Part.RPN)
    measure = Agreement(bundle, model, given(*toy_clouds(SUBSET)).checks).measure
    assert measure(ov.Core().compile_model(model, "CPU"), range(SUBSET)) == (1.0, [1.0] * SUBSET)
    blind = read_float_model(bundle, Part.RPN)
    first = next(node for node in find(blind, "Convolution") if node.get_friendly_name() == "first")
    silent = np.zeros(first.get_input_shape(1), np.float32)
    first.input(1).replace_source_output(ov.opset13.constant(silent).output(0))
    # Not far less: with logits of 0 every anchor is a detection, and many of them lie near one of before.
    assert measure(ov.Core().compile_model(blind, "CPU"), [1])[0] < 0.9
