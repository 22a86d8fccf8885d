# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov parity` as a person and a program call it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.model.bundle import ModelBundle
from test.inference.parity.tampered import one_is, tamper, weights
from test.model.float_bundle import save_float_bundle, toy_clouds
from test.shared_data import KITTI_CAR, needs_shared_data

Capture = pytest.CaptureFixture[str]
TENSORS = {"PFE features (features)", "RPN boxes (boxes)", "RPN scores (scores)", "RPN directions (directions)"}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return save_float_bundle(tmp_path_factory.mktemp("toy"), pooling="maximum")


def parity(*arguments: object) -> int:
    return cli.main(["parity", *map(str, arguments)])


def test_agreement_is_tabulated_and_ends_with_0(toy: ModelBundle, capsys: Capture) -> None:
    assert parity("--model", toy.folder, "--encoder", "host") == 0
    printed = capsys.readouterr().out
    assert {line.split("  ")[0] for line in printed.splitlines()} >= TENSORS
    assert printed.count("matched") > 3
    assert "tiny, PFE on host in f32, RPN rewritten on CPU in " in printed
    assert printed.splitlines()[-1].startswith("they agree on the built-in cloud: worst correlation ")


def test_the_reference_compared_with_itself_says_so(toy: ModelBundle, capsys: Capture) -> None:
    flags = ("--encoder", "openvino", "--precision", "f32", "--no-lean", "--min-correlation", 1, "--max-shift", 0)
    assert parity("--model", toy.folder, *flags) == 0
    printed = capsys.readouterr().out
    assert "note: CPU in f32 with the original graphs is the reference itself" in printed


def test_a_mismatch_is_said_and_ends_with_1(toy: ModelBundle, tmp_path: Path, capsys: Capture) -> None:
    # The host's encoder adds in another order than the network.
    flags = ("--encoder", "host", "--min-correlation", 1, "--max-shift", 0.25, "--max-score-change", 0.125)
    assert parity("--model", toy.folder, *flags, "--json", tmp_path / "out.json") == 1
    last = capsys.readouterr().out.splitlines()[-2]
    assert last.startswith("MISMATCH on the built-in cloud: features: correlation ")
    assert last.endswith("(tolerated: correlation 1, shift 0.25 m, score change 0.125)")
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["agree"] is False
    assert document["clouds"]["built-in"]["mismatch"] in last
    assert document["tolerances"] == {"min_correlation": 1.0, "max_shift": 0.25, "max_score_change": 0.125}


def test_programs_get_all_of_it_as_json(toy: ModelBundle, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out.json"
    assert parity("--model", toy.folder, "--json", out) == 0
    document = json.loads(out.read_text())
    assert document["agree"] is True
    assert document["tolerances"] == {"min_correlation": 0.98, "max_shift": 0.5, "max_score_change": 0.15}
    cloud = document["clouds"]["built-in"]
    assert [tensor["name"] for tensor in cloud["tensors"]] == ["features", "boxes", "scores", "directions"]
    assert {one["fate"] for one in cloud["detections"]} == {"matched"}
    assert all(len(one["box"]) == 7 for one in cloud["detections"])


def test_nan_is_a_mismatch_in_a_table_and_null_in_json(toy: ModelBundle, tmp_path: Path, capsys: Capture) -> None:
    wrong = tamper(toy, tmp_path / "wrong", weights(one_is(np.nan), "head of scores"))
    assert parity("--model", wrong.folder, "--json", tmp_path / "out.json") == 1
    assert "scores: " in capsys.readouterr().out.splitlines()[-2]
    text = (tmp_path / "out.json").read_text()
    assert "NaN" not in text.replace("are NaN or infinite", "").replace("contain NaN or infinity", "")
    scores = json.loads(text)["clouds"]["built-in"]["tensors"][2]
    assert scores["correlation"] is None and scores["not_finite"] > 0


def test_clouds_of_a_folder_are_compared_each(toy: ModelBundle, tmp_path: Path, capsys: Capture) -> None:
    for number, cloud in enumerate(toy_clouds(3)):
        cloud.tofile(tmp_path / f"{number:06}.bin")
    assert parity("--model", toy.folder, "--data", tmp_path, "--frames", 2, "--json", tmp_path / "out.json") == 0
    assert "they agree on 2 clouds: " in capsys.readouterr().out
    assert list(json.loads((tmp_path / "out.json").read_text())["clouds"]) == ["000000", "000001"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--model", "/nowhere"], "/nowhere"),
        (["--model", "TOY", "--frames", "2"], "--data"),
        (["--model", "TOY", "--data", "/nowhere"], "/nowhere"),
        (["--model", "TOY", "--device", "TOASTER"], "'TOASTER'"),
        (["--model", "TOY", "--rpn-device", "TOASTER"], "'TOASTER'"),
        (["--model", "TOY", "--pfe-device", "TOASTER", "--encoder", "openvino"], "'TOASTER'"),
        (["--model", "TOY", "--min-correlation", "2"], "parity_min_correlation: 2"),
    ],
)
def test_a_bad_argument_is_one_sentence(toy: ModelBundle, capsys: Capture, arguments: list[str], named: str) -> None:
    assert parity(*(str(toy.folder) if argument == "TOY" else argument for argument in arguments)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and named in line


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--set", "TOASTER=1"], "error: TOASTER: CPU has no such property; it supports "),
        (["--set", "NUM_STREAMS=many"], "error: NUM_STREAMS: 'many' is not a whole number"),
        (["--device", "BATCH:TOASTER(4)"], "error: pfe_device: none of the devices in 'BATCH:TOASTER(4)' can be used"),
    ],
)
def test_what_no_device_knows_is_one_sentence(
    toy: ModelBundle, capsys: Capture, arguments: list[str], sentence: str
) -> None:
    assert parity("--model", toy.folder, *arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith(sentence) and said.count("\n") == 1


def test_a_list_is_reduced_with_a_warning_and_properties_are_taken(
    toy: ModelBundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    flags = ("--device", "AUTO:TOASTER,CPU", "--set", "ENABLE_STARTUP_FALLBACK=false", "INFERENCE_NUM_THREADS=1")
    assert parity("--model", toy.folder, *flags, "--encoder", "openvino", "--json", tmp_path / "out.json") == 0
    assert [record.message.partition(": TOASTER")[0] for record in caplog.records] == [
        "pfe_device, rpn_device: 'AUTO:TOASTER,CPU' is reduced to 'AUTO:CPU'"
    ]
    text = (tmp_path / "out.json").read_text()
    assert '"ENABLE_STARTUP_FALLBACK": "False (as requested)"' in text and '"INFERENCE_NUM_THREADS": "1"' in text


def test_the_exit_code_is_documented(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        parity("--help")
    assert "Exit code: 0 if they agree, 1 if they do" in " ".join(capsys.readouterr().out.split())


@needs_shared_data
@pytest.mark.parametrize("precision", ["default", "bf16", "f16"])
def test_the_real_network_agrees_in_every_precision(capsys: Capture, precision: str) -> None:
    assert parity("--model", KITTI_CAR, "--precision", precision) == 0
    assert "they agree on the built-in cloud" in capsys.readouterr().out
