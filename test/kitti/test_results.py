# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Folders of label and result files: found, read, and written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pointpillars_ov_ros.config.errors import DatasetError
from pointpillars_ov_ros.kitti.labels import format_label, format_result, read_labels, read_results
from pointpillars_ov_ros.kitti.results import (
    check_results_folder,
    find_label_files,
    find_result_files,
    read_split,
    write_results,
)
from test.kitti.files import label_line
from test.kitti.scenes import an_object, random_frames


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_results_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    _, found = random_frames(np.random.default_rng(0), 20)
    found[3] = []
    results = {f"{k:06d}": frame for k, frame in enumerate(found)}
    write_results(tmp_path / "new" / "results", results)
    paths = find_result_files(tmp_path / "new" / "results")
    assert {name: read_results(path) for name, path in paths.items()} == results
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["results"]


def test_a_line_has_the_fields_in_the_order_of_kitti() -> None:
    one = an_object("Car", (1.0, 2.0, 30.0), (1.5, 1.6, 3.9), 0.25, truncated=-1.0, occluded=-1, alpha=0.5, score=0.75)
    one = one._replace(bbox=(10.0, 20.0, 30.0, 40.0))
    assert format_result(one) == "Car -1.0 -1 0.5 10.0 20.0 30.0 40.0 1.5 1.6 3.9 1.0 2.0 30.0 0.25 0.75"


def test_a_label_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    one = an_object("Car")
    assert read_labels(write(tmp_path / "000000.txt", format_label(one))) == [one._replace(score=None)]


def test_earlier_results_are_replaced(tmp_path: Path) -> None:
    write_results(tmp_path / "results", {"000001": [an_object("Car", score=0.5)], "000002": []})
    write_results(tmp_path / "results", {"000003": [an_object("Car", score=0.5)]})
    assert list(find_result_files(tmp_path / "results")) == ["000003"]


@pytest.mark.parametrize(
    ("name", "text"),
    [("000000.txt", label_line() + "\n"), ("notes.md", ""), ("000000.bin", ""), ("deeper/000000.txt", "")],
)
def test_a_folder_with_anything_but_results_is_left_alone(tmp_path: Path, name: str, text: str) -> None:
    path = write(tmp_path / name, text)
    for attempt in (lambda: check_results_folder(tmp_path), lambda: write_results(tmp_path, {"000000": []})):
        with pytest.raises(DatasetError) as raised:
            attempt()
        shown = name.partition("/")[0]
        assert str(raised.value) == f"{tmp_path} holds {shown}, which is not a result file; it is left unchanged"
    assert path.read_text() == text


def test_a_file_in_the_place_of_the_folder_is_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "results", "mine")
    with pytest.raises(DatasetError, match=r"is not a folder; it is left unchanged$"):
        write_results(path, {})
    assert path.read_text() == "mine"


def test_a_failure_while_writing_leaves_what_was_there(tmp_path: Path) -> None:
    """The second name leads into a folder that does not exist."""
    folder = tmp_path / "results"
    write_results(folder, {"000001": [an_object("Car", score=0.5)]})
    with pytest.raises(OSError):
        write_results(folder, {"000001": [], "no/where": []})
    assert [one.score for one in read_results(folder / "000001.txt")] == [0.5]
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


@pytest.mark.parametrize("place", [".", "label_2", "training/label_2"])
def test_labels_are_found_in_a_folder_a_split_and_the_object_set(tmp_path: Path, place: str) -> None:
    for name in ("000010", "000002"):
        write(tmp_path / place / f"{name}.txt", label_line())
    files = find_label_files(tmp_path)
    assert list(files) == ["000002", "000010"]
    assert len(read_labels(files["000002"])) == 1


def test_results_are_found_in_data_as_the_server_wants_them(tmp_path: Path) -> None:
    write(tmp_path / "data" / "000002.txt")
    assert list(find_result_files(tmp_path)) == ["000002"]


@pytest.mark.parametrize(("find", "what"), [(find_label_files, "label"), (find_result_files, "result")])
@pytest.mark.parametrize("folder", [".", "not/there"])
def test_a_folder_without_files_is_named(tmp_path: Path, find: object, what: str, folder: str) -> None:
    with pytest.raises(DatasetError) as raised:
        find(tmp_path / folder)  # type: ignore[operator]
    assert str(raised.value).startswith(f"{tmp_path / folder}: no .txt {what} file there")


@pytest.mark.parametrize("kept", [1, 14, 15])
def test_a_result_without_a_score_is_refused_naming_file_and_line(tmp_path: Path, kept: int) -> None:
    whole = format_result(an_object("Car", score=0.5))
    path = write(tmp_path / "000000.txt", f"{whole}\n{' '.join(whole.split()[:kept])}\n")
    with pytest.raises(DatasetError) as raised:
        read_results(path)
    assert str(raised.value) == f"{path}:2: a result has 16 fields, but this line has {kept}"


@pytest.mark.parametrize("place", [4, 8, 11, 14, 15])
@pytest.mark.parametrize("word", ["nan", "-inf", "box"])
def test_a_result_with_what_is_no_finite_number_is_refused(tmp_path: Path, place: int, word: str) -> None:
    words = format_result(an_object("Car", score=0.5)).split()
    words[place] = word
    path = write(tmp_path / "000000.txt", "\n" + " ".join(words))
    with pytest.raises(DatasetError) as raised:
        read_results(path)
    assert str(raised.value).startswith(f"{path}:2: this line contains ")


def test_labels_have_no_score_even_where_the_file_has(tmp_path: Path) -> None:
    path = write(tmp_path / "000000.txt", label_line() + " 0.93")
    assert [label.score for label in read_labels(path)] == [None]


def test_a_split_is_a_list_of_names(tmp_path: Path) -> None:
    assert read_split(write(tmp_path / "val.txt", "000001\n000002\n\n000005\n")) == ["000001", "000002", "000005"]


@pytest.mark.parametrize("text", [None, "", "\n \n"])
def test_a_split_that_names_nothing_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "val.txt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DatasetError, match=r"^\S+val\.txt: "):
        read_split(path)
