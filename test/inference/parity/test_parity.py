# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Wrong networks are caught and named, nearly right ones pass, and what is to happen then does."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from pointpillars_ov_ros.config.errors import InferenceError
from pointpillars_ov_ros.config.model_config import ClassThreshold, PostprocessConfig
from pointpillars_ov_ros.config.runtime_config import (
    EncoderChoice,
    OnMismatch,
    PerformanceHint,
    Precision,
    RuntimeConfig,
)
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.core.verdict import AGREES, NOT_CHECKED, has_failed
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.parity.check import check_cloud, check_engine, make_reference, open_engine
from pointpillars_ov_ros.inference.parity.cloud import SCENE, built_in_cloud
from pointpillars_ov_ros.inference.parity.compare import (
    Fate,
    Tolerances,
    compare_detections,
    compare_tensors,
    concordance,
    figure,
    find_mismatch,
    find_tie,
)
from pointpillars_ov_ros.inference.parity.reference import Reference
from pointpillars_ov_ros.model.bundle import ModelBundle, load_bundle
from pointpillars_ov_ros.model.shipped import FLOAT, SHIPPED, shipped_model
from test.inference.parity.tampered import as_bf16, as_f16, noisy, one_is, swap_outputs, tamper, weights
from test.model.float_bundle import save_float_bundle, toy_config
from test.shared_data import needs_shared_data

TOY = RuntimeConfig(encoder=EncoderChoice.OPENVINO, precision=Precision.F32)
CONFIG = toy_config()
SCORES, DIRECTIONS = CONFIG.rpn.scores, CONFIG.rpn.directions
Tampering = Callable[[ov.Model], None]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return save_float_bundle(tmp_path_factory.mktemp("toy"), pooling="maximum")


def half_as_much_again(values: np.ndarray) -> np.ndarray:
    return values * np.float32(1.5)


WRONG: dict[str, tuple[str, Tampering, str]] = {
    "boxes scaled": ("rpn", weights(half_as_much_again, "head of boxes"), "boxes: correlation 0.9"),
    "scores scaled": ("rpn", weights(half_as_much_again, "head of scores"), "scores: correlation 0.9"),
    "directions scaled": ("rpn", weights(half_as_much_again, "head of directions"), "directions: correlation 0.9"),
    "inner layer scaled": ("rpn", weights(half_as_much_again, "second"), "boxes: correlation 0.9"),
    "noise": ("rpn", weights(noisy), "boxes: correlation 0."),
    "negative": ("rpn", weights(np.negative, "head of boxes"), "boxes: correlation -0."),
    "one NaN": ("rpn", weights(one_is(np.nan), "head of scores"), "scores: "),
    "one infinity": ("rpn", weights(one_is(np.inf), "head of boxes"), "boxes: "),
    "all zero": ("rpn", weights(np.zeros_like), "boxes: correlation 0.0000 is below 0.98"),
    "swapped": ("rpn", swap_outputs(SCORES, DIRECTIONS), "scores: correlation "),
    "PFE scaled": ("pfe", weights(half_as_much_again), "features: correlation 0."),
    # A ReLU makes 0 of a NaN, so what comes out is wrong and finite.
    "PFE NaN": ("pfe", weights(one_is(np.nan)), "features: correlation 0."),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_network_is_caught_and_named(toy: ModelBundle, tmp_path: Path, kind: str) -> None:
    part, change, named = WRONG[kind]
    engine = Engine(tamper(toy, tmp_path / "wrong", change, part), TOY)
    verdict = check_engine(engine, toy)
    assert verdict.failed
    assert verdict.text.startswith(named), verdict
    assert ("NaN or infinite" in verdict.text) == (kind in ("one NaN", "one infinity"))
    assert verdict.text in verdict.sentence
    assert verdict.sentence.startswith("parity mismatch of PFE on CPU in f32, RPN rewritten on CPU in f32: ")


@pytest.mark.parametrize("change", [lambda values: values, as_f16, as_bf16], ids=["same", "f16", "bf16"])
@pytest.mark.parametrize("part", ["pfe", "rpn"])
def test_a_network_that_is_a_little_coarser_passes(
    toy: ModelBundle, tmp_path: Path, change: Callable[[np.ndarray], np.ndarray], part: str
) -> None:
    verdict = check_engine(Engine(tamper(toy, tmp_path / "coarse", weights(change), part), TOY), toy)
    assert verdict.text == AGREES, verdict
    assert not verdict.failed


def test_what_is_compared_has_detections(toy: ModelBundle) -> None:
    engine = Engine(toy, TOY)
    comparison = check_cloud(engine, make_reference(engine), built_in_cloud(toy.config))
    assert [tensor.name for tensor in comparison.tensors] == ["features", "boxes", "scores", "directions"]
    assert len(comparison.detections) > 3
    assert {one.fate for one in comparison.detections} == {Fate.MATCHED}
    assert comparison.mismatch == ""


def test_the_reference_itself_has_nothing_to_compare(toy: ModelBundle) -> None:
    verdict = check_engine(Engine(toy, dataclasses.replace(TOY, lean_rpn=False)))
    assert verdict.text == AGREES
    assert "nothing to compare" in verdict.sentence


@pytest.mark.parametrize("action", OnMismatch)
def test_what_happens_on_a_mismatch_is_the_users_choice(toy: ModelBundle, tmp_path: Path, action: OnMismatch) -> None:
    wrong = tamper(toy, tmp_path / "wrong", weights(noisy))
    # What only AUTO takes must not keep the CPU from standing in.
    runtime = dataclasses.replace(
        TOY,
        on_mismatch=action,
        precision=Precision.DEFAULT,
        rpn_device="AUTO:CPU",
        performance_hint=PerformanceHint.CUMULATIVE_THROUGHPUT,
        device_properties="ENABLE_STARTUP_FALLBACK=false",
    )
    if action is OnMismatch.ERROR:
        with pytest.raises(InferenceError, match=r"parity mismatch of PFE .*boxes: correlation .*on_mismatch is error"):
            open_engine(wrong, runtime, toy)
        return
    engine = open_engine(wrong, runtime, toy)
    verdict = engine.parity
    assert verdict.failed and "boxes: correlation" in verdict.text
    fell_back = action is OnMismatch.FALLBACK_CPU
    assert verdict.text.startswith("fell back to CPU in f32: ") == fell_back
    assert verdict.sentence.endswith("fell back to CPU in f32") == fell_back
    assert engine.is_lean != fell_back
    if fell_back:
        assert (engine.runtime.pfe_device, engine.runtime.rpn_device) == ("CPU", "CPU")
        assert engine.runtime.precision is Precision.F32
    else:
        assert engine.runtime == runtime


@pytest.mark.parametrize("action", OnMismatch)
def test_where_they_agree_nothing_happens(toy: ModelBundle, action: OnMismatch) -> None:
    runtime = dataclasses.replace(TOY, on_mismatch=action)
    engine = open_engine(toy, runtime, toy)
    assert engine.parity.text == AGREES
    assert engine.runtime == runtime


def test_it_can_be_left_out(toy: ModelBundle, tmp_path: Path) -> None:
    wrong = tamper(toy, tmp_path / "wrong", weights(noisy))
    runtime = dataclasses.replace(TOY, parity_check=False, on_mismatch=OnMismatch.ERROR)
    verdict = open_engine(wrong, runtime, toy).parity
    assert (verdict.text, verdict.failed) == (NOT_CHECKED, False)


def test_without_the_check_a_network_of_nan_does_not_start(toy: ModelBundle, tmp_path: Path) -> None:
    wrong = tamper(toy, tmp_path / "wrong", weights(one_is(np.nan), "head of scores"))
    with pytest.raises(InferenceError, match="NaN"):
        Engine(wrong, dataclasses.replace(TOY, parity_check=False))


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"parity_min_correlation": 1.0}, "correlation"),
        ({"parity_max_shift": 0.0}, "is shifted by"),
        ({"parity_max_score_change": 0.0}, "apart"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_threshold_can_be_the_one_that_is_passed(
    toy: ModelBundle, tmp_path: Path, change: dict[str, float], part: str
) -> None:
    rounded = tamper(toy, tmp_path / "coarse", weights(as_bf16))
    lenient = dataclasses.replace(TOY, parity_min_correlation=0.0, parity_max_shift=100.0, parity_max_score_change=0.5)
    assert check_engine(Engine(rounded, lenient), toy).text == AGREES
    assert part in check_engine(Engine(rounded, dataclasses.replace(lenient, **change)), toy).text


def make(rows: list[tuple[float, float]]) -> Detections:
    """Return detections 10 m apart along x: offset of x and score."""
    boxes = [[10.0 * k + offset, 0.0, 0.0, 4.0, 1.6, 1.5, 0.0] for k, (offset, _) in enumerate(rows)]
    scores = np.array([score for _, score in rows], np.float32)
    return Detections(np.array(boxes, np.float32).reshape(-1, 7), scores, np.zeros(len(rows), np.int32))


TOLERANCES = Tolerances(0.98, 0.3, 0.1)
SETTINGS = PostprocessConfig(0.3, 0.1, 10, 10)


@pytest.mark.parametrize(
    ("before", "after", "fates", "said"),
    [
        ([(0, 0.9)], [(0.29, 0.81)], [Fate.MATCHED], ""),
        ([(0, 0.9)], [(0.31, 0.9)], [Fate.SHIFTED], "Car at x 0.0, y 0.0 m is shifted by 0.31 m, more than 0.3"),
        ([(0, 0.9)], [(0, 0.7)], [Fate.RESCORED], "Car at x 0.0, y 0.0 m scores 0.700 instead of 0.900"),
        ([(0, 0.9)], [], [Fate.LOST], "Car at x 0.0, y 0.0 m with score 0.90 is lost"),
        ([], [(0, 0.9)], [Fate.NEW], "Car at x 0.0, y 0.0 m with score 0.90 is new"),
        ([(0, 0.9)], [(1.1, 0.9)], [Fate.LOST, Fate.NEW], "is lost, and 1 more"),
        # Below the threshold on both sides, and on one of both.
        ([(0, 0.29)], [], [], ""),
        ([], [(0, 0.29)], [], ""),
        ([(0, 0.31)], [(0, 0.25)], [Fate.MATCHED], ""),
        ([(0, 0.25)], [(0, 0.31)], [Fate.MATCHED], ""),
        ([], [], [], ""),
    ],
)
def test_what_became_of_each_detection(
    before: list[tuple[float, float]], after: list[tuple[float, float]], fates: list[Fate], said: str
) -> None:
    compared = tuple(compare_detections(make(before), make(after), ("Car",), SETTINGS, TOLERANCES))
    assert [one.fate for one in compared] == fates
    mismatch = find_mismatch((), compared, TOLERANCES)
    assert said in mismatch and bool(said) == bool(mismatch)


@pytest.mark.parametrize(
    ("x_m", "score", "is_compared"),
    [(10.0, 0.59, False), (10.0, 0.61, True), (40.0, 0.49, False), (40.0, 0.51, True)],
)
@pytest.mark.parametrize("is_lost", [True, False])
def test_only_what_would_be_published_counts(x_m: float, score: float, is_compared: bool, is_lost: bool) -> None:
    """A box at the score at which boxes are kept at all is on either side of it by chance."""
    settings = dataclasses.replace(SETTINGS, score_threshold=0.1, publish=(ClassThreshold("Car", 0.6, 0.5, 35.0),))
    box = make([(x_m, score)])
    sides = (box, make([])) if is_lost else (make([]), box)
    compared = compare_detections(*sides, ("Car",), settings, TOLERANCES)
    assert [one.fate for one in compared] == ([Fate.LOST if is_lost else Fate.NEW] if is_compared else [])


def test_what_falls_below_its_threshold_by_a_little_is_found_again() -> None:
    settings = dataclasses.replace(SETTINGS, score_threshold=0.1, publish=(ClassThreshold("Car", 0.6),))
    compared = compare_detections(make([(0, 0.61)]), make([(0, 0.55)]), ("Car",), settings, TOLERANCES)
    assert [one.fate for one in compared] == [Fate.MATCHED]


def test_the_best_of_those_that_are_off_is_named() -> None:
    compared = tuple(compare_detections(make([(0, 0.4), (0, 0.9)]), make([]), ("Car",), SETTINGS, TOLERANCES))
    assert find_mismatch((), compared, TOLERANCES) == "Car at x 10.0, y 0.0 m with score 0.90 is lost, and 1 more"


@pytest.mark.parametrize(
    ("candidates", "fate"),
    [
        ([(0, 0.9), (0.71, 0.89)], Fate.TIED),
        ([(0, 0.9), (0.71, 0.87)], Fate.SHIFTED),
        ([(0, 0.9), (0.8, 0.89)], Fate.SHIFTED),
        ([(0, 0.9)], Fate.SHIFTED),
        ([], Fate.SHIFTED),
    ],
    ids=["alike", "scores less", "elsewhere", "no other", "none"],
)
def test_a_box_that_nms_might_have_kept_in_the_reference_is_no_mismatch(
    candidates: list[tuple[float, float]], fate: Fate
) -> None:
    (shifted,) = compare_detections(make([(0, 0.9)]), make([(0.7, 0.9)]), ("Car",), SETTINGS, TOLERANCES)
    assert shifted.fate is Fate.SHIFTED
    scores = np.array([score for _, score in candidates], np.float32)
    boxes = np.array([[offset, 0.0, 0.0, 4.0, 1.6, 1.5, 0.0] for offset, _ in candidates], np.float32).reshape(-1, 7)
    found = find_tie(shifted, Detections(boxes, scores, np.zeros(len(scores), np.int32)), ("Car",), TOLERANCES)
    assert found.fate is fate
    assert bool(find_mismatch((), (found,), TOLERANCES)) == (fate is Fate.SHIFTED)


def test_before_the_cpu_the_same_device_is_tried_in_f32(toy: ModelBundle) -> None:
    if "BF16" not in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU has no bf16, so f32 is all that it runs")
    runtime = RuntimeConfig(
        precision=Precision.BF16, on_mismatch=OnMismatch.FALLBACK_CPU, parity_min_correlation=1 - 1e-7
    )
    engine = open_engine(toy, runtime)
    assert engine.parity.text.startswith("fell back to f32 on the same device: ")
    assert engine.is_lean, "the CPU as last resort has the graphs as they are"
    assert {each["INFERENCE_PRECISION_HINT"] for each in engine.effective_settings().values()} == {"f32"}


@pytest.mark.parametrize("encoder", [EncoderChoice.HOST, EncoderChoice.OPENVINO])
@pytest.mark.parametrize("name", SHIPPED)
def test_the_defaults_pass_their_own_check_with_each_shipped_bundle(name: str, encoder: EncoderChoice) -> None:
    """On a CPU with bf16 the float one runs in it, and the quantized one in f32 between its INT8 layers."""
    engine = open_engine(load_bundle(shipped_model(name)), RuntimeConfig(encoder=encoder))
    assert not engine.parity.failed, engine.parity.sentence
    settings = engine.effective_settings()
    assert settings["pfe"]["INFERENCE_PRECISION_HINT"] == "f32"
    likes = ov.Core().get_property("CPU", "INFERENCE_PRECISION_HINT").to_string()
    assert settings["rpn"]["INFERENCE_PRECISION_HINT"] == (likes if name == FLOAT else "f32")


@pytest.mark.parametrize("seed", range(5))
def test_concordance_is_what_lin_wrote(seed: int) -> None:
    random = np.random.default_rng(seed)
    one = random.normal(3.0, 2.0, 500).astype(np.float32)
    other = (one * random.uniform(0.5, 2) + random.normal(0, 1, 500)).astype(np.float32)
    pearson = np.corrcoef(one, other)[0, 1]
    bias = np.var(one) + np.var(other) + (one.mean() - other.mean()) ** 2
    assert concordance(one, other) == pytest.approx(2 * pearson * one.std() * other.std() / bias, abs=1e-5)
    assert concordance(one, one.copy()) == 1.0
    assert concordance(one, one * np.float32(1.5)) < 0.9
    assert concordance(one, one + np.float32(2.0)) < 0.9


def test_constant_tensors_agree_only_where_they_are_the_same() -> None:
    ones = np.ones(10, np.float32)
    assert concordance(ones, ones.copy()) == 1.0
    assert concordance(ones, ones + 1) == 0.0


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("in_reference", [False, True])
def test_what_is_no_number_is_counted_on_both_sides(wrong: float, in_reference: bool) -> None:
    good = np.arange(6, dtype=np.float32)
    bad = good.copy()
    bad[2:4] = wrong
    compared = compare_tensors("boxes", *((bad, good) if in_reference else (good, bad)))
    assert compared.not_finite == 2
    assert find_mismatch((compared,), (), TOLERANCES) == "boxes: 2 of 6 values are NaN or infinite"


def test_errors_are_those_of_numpy() -> None:
    wanted, given = np.array([1.0, -4.0, 2.0], np.float32), np.array([1.5, -4.0, 1.0], np.float32)
    compared = compare_tensors("boxes", wanted, given)
    assert (compared.max_error, compared.relative_error) == (1.0, 0.25)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5000"), (0.99995, "0.99995"), (0.9999999, "0.9999999"), (1 - 1e-12, "1 - 1e-12"), (1.0, "1")],
)
def test_a_correlation_is_told_from_one(value: float, text: str) -> None:
    assert figure(value) == text


@pytest.mark.parametrize(("text", "amiss"), [("", False), (AGREES, False), (NOT_CHECKED, False), ("boxes: …", True)])
def test_only_a_mismatch_is_amiss(text: str, amiss: bool) -> None:
    assert has_failed(text) is amiss


def test_the_built_in_cloud_is_the_same_every_time_and_of_a_scan() -> None:
    cloud = built_in_cloud(CONFIG)
    np.testing.assert_array_equal(cloud, built_in_cloud(CONFIG))
    assert cloud.dtype == np.float32 and cloud.shape[1] == 4 and np.isfinite(cloud).all()
    assert cloud[:, 3].min() >= 0.0 and cloud[:, 3].max() <= 1.0
    # Every object is hit: its middle has points above the ground.
    for placed in SCENE:
        near = np.hypot(cloud[:, 0] - placed.x, cloud[:, 1] - placed.y) < 3.0
        assert (near & (cloud[:, 2] > -CONFIG.sensor.height + 0.3)).sum() >= 5, placed


@pytest.mark.parametrize("height", [-1.0, 0.0, 0.5, 3.0, 50.0])
def test_a_sensor_of_any_height_has_a_cloud(height: float) -> None:
    config = dataclasses.replace(CONFIG, sensor=dataclasses.replace(CONFIG.sensor, height=height))
    cloud = built_in_cloud(config)
    assert len(cloud) > 100 and np.isfinite(cloud).all()


class Kept:
    """A folder of answers."""

    def __init__(self, bundle: ModelBundle, folder: Path) -> None:
        self.bundle, self.folder = bundle, folder
        self.points = built_in_cloud(bundle.config)

    def answer(self, bundle: ModelBundle | None = None) -> list[np.ndarray]:
        return list(Reference(bundle or self.bundle, str(self.folder)).answer(self.points))

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.iterdir())


@pytest.fixture
def kept(toy: ModelBundle, tmp_path: Path) -> Kept:
    return Kept(toy, tmp_path / "cache")


def assert_same(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    for some, others in zip(one, other, strict=True):
        np.testing.assert_allclose(some, others, atol=1e-6)


def test_an_answer_is_kept_and_taken_from_there(kept: Kept) -> None:
    first = kept.answer()
    (file,) = kept.files
    before = file.stat().st_mtime_ns
    # Marked, to see where the next answer comes from.
    np.savez(file, features=first[0] + 1, boxes=first[1], scores=first[2], directions=first[3])
    np.testing.assert_array_equal(kept.answer()[0], first[0] + 1)
    assert file.stat().st_mtime_ns >= before
    assert kept.files == [file]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_bytes(file.read_bytes()[:-200]),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"no archive" * 100),
        lambda file: file.write_bytes(file.read_bytes()[:5000] + b"\xff\xfe" * 50 + file.read_bytes()[5100:]),
        lambda file: np.savez(file, features=np.zeros((3, 2), np.float32)),
        lambda file: np.savez(file, **{name: np.zeros(3) for name in ("features", "boxes", "scores", "directions")}),
        lambda file: np.savez(file, features=np.array([{}], object), boxes=0, scores=0, directions=0),
        lambda file: np.savez_compressed(file, **dict(np.load(file))),
        lambda file: file.write_bytes(file.read_bytes().replace(b"PK\x01\x02", b"PK\x01\x02\xff\xff\xff\xff\xff\xff")),
    ],
    ids=["truncated", "empty", "no archive", "bits", "names", "shapes", "pickle", "compressed", "versions"],
)
def test_a_damaged_file_is_made_anew(
    kept: Kept, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], object]
) -> None:
    first = kept.answer()
    (file,) = kept.files
    spoil(file)
    with caplog.at_level(logging.WARNING):
        assert_same(kept.answer(), first)
    assert f"{file} is damaged" in caplog.text
    caplog.clear()
    assert_same(kept.answer(), first)
    assert not caplog.text


def test_other_weights_and_other_clouds_have_files_of_their_own(kept: Kept, tmp_path: Path) -> None:
    first = kept.answer()
    other = kept.answer(tamper(kept.bundle, tmp_path / "other", weights(noisy)))
    assert np.abs(other[1] - first[1]).max() > 1e-3
    kept.points = kept.points[:-1].copy()
    kept.answer()
    assert len(kept.files) == 3


def test_a_folder_that_cannot_be_made_is_no_reason_to_fail(
    kept: Kept, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    kept.folder = tmp_path / "file" / "cache"
    with caplog.at_level(logging.WARNING):
        assert kept.answer()[0].size
    assert "cannot be stored" in caplog.text


@needs_shared_data
def test_the_real_network_finds_the_cars_and_agrees(kitti_car: ModelBundle) -> None:
    """Quantization steps make the rewritten RPN differ slightly from the original; so does bf16, if available."""
    engine = Engine(kitti_car, RuntimeConfig())
    comparison = check_cloud(engine, make_reference(engine), built_in_cloud(kitti_car.config))
    assert comparison.mismatch == ""
    assert min(tensor.correlation for tensor in comparison.tensors) > 0.995
    found = np.array([one.box[:2] for one in comparison.detections])
    cars = [placed for placed in SCENE if placed.x > 2 and abs(placed.parts[0].length - 3.4) < 0.1]
    assert len(cars) == 9
    for car in cars:
        assert np.hypot(*(found - (car.x, car.y)).T).min() < 1.0, car
    assert sum((one.score or 0.0) > 0.6 for one in comparison.detections) >= 6
