# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Folders of KITTI label and result files, one NAME.txt per frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pointpillars_ov_ros.config.documents import read_text
from pointpillars_ov_ros.config.errors import DatasetError
from pointpillars_ov_ros.config.files import write_folder
from pointpillars_ov_ros.kitti.calibration import MOST_BYTES
from pointpillars_ov_ros.kitti.labels import RESULT_FIELDS, KittiObject, format_result


def find_label_files(folder: Path) -> dict[str, Path]:
    """Return the .txt files by frame name: in `folder`, in label_2 below it, or in training/label_2."""
    return _find(folder, ("", "label_2", "training/label_2"), "label")


def find_result_files(folder: Path) -> dict[str, Path]:
    """Return the .txt files by frame name: in `folder`, or in data below it, as KITTI's server expects them."""
    return _find(folder, ("", "data"), "result")


def read_split(path: Path) -> list[str]:
    """Read names of frames, one per line, as in ImageSets/val.txt."""
    try:
        names = read_text(path, MOST_BYTES, "ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read as a list of frames ({error})") from None
    if not names:
        raise DatasetError(f"{path}: names no frame")
    return names


def check_results_folder(folder: Path) -> None:
    """Raise DatasetError unless `folder` does not exist or holds only results, which may be replaced."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder; it is left unchanged")
    for path in sorted(folder.iterdir()):
        if path.suffix != ".txt" or not path.is_file() or not _holds_results(path):
            raise DatasetError(f"{folder} holds {path.name}, which is not a result file; it is left unchanged")


def write_results(folder: Path, results: Mapping[str, Sequence[KittiObject]]) -> None:
    """Write a file per frame, all or nothing; earlier results in `folder` are replaced."""
    check_results_folder(folder)

    def fill(fresh: Path) -> None:
        for name, objects in results.items():
            text = "".join(f"{format_result(o)}\n" for o in objects)
            (fresh / f"{name}.txt").write_text(text, encoding="ascii")

    write_folder(folder, fill)


def _find(folder: Path, places: Sequence[str], what: str) -> dict[str, Path]:
    for place in places:
        paths = sorted((folder / place).glob("*.txt"))
        if paths:
            return {path.stem: path for path in paths}
    raise DatasetError(f"{folder}: no .txt {what} file there, nor in {' or '.join(filter(None, places))} below it")


def _holds_results(path: Path) -> bool:
    """Whether a file is empty or its first line has as many fields as a result; labels have fewer."""
    with path.open(encoding="ascii", errors="replace") as stream:
        words = stream.readline(10_000).split()
    return len(words) in (0, RESULT_FIELDS)
