# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files and folders are replaced whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from pointpillars_ov_ros.config.files import replace_folder, write_folder, write_text, write_whole


def make(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "file").write_text(text)
    return folder


@pytest.mark.parametrize("had_one", [True, False])
def test_the_fresh_folder_takes_the_place(tmp_path: Path, had_one: bool) -> None:
    folder, fresh, aside = tmp_path / "folder", make(tmp_path / "fresh", "new"), tmp_path / "aside"
    if had_one:
        make(folder, "old")
    replace_folder(folder, fresh, aside)
    assert (folder / "file").read_text() == "new"
    assert not fresh.exists()
    assert aside.exists() is had_one


def test_what_was_there_is_there_again_where_there_is_nothing_fresh(tmp_path: Path) -> None:
    folder = make(tmp_path / "folder", "old")
    with pytest.raises(OSError):
        replace_folder(folder, tmp_path / "fresh", tmp_path / "aside")
    assert (folder / "file").read_text() == "old"


@pytest.mark.parametrize("durably", [False, True])
def test_a_file_is_the_old_one_until_the_new_one_is_whole(tmp_path: Path, durably: bool) -> None:
    path = make(tmp_path / "there", "old") / "file"

    def fail(fresh: Path) -> None:
        fresh.write_text("half")
        assert path.read_text() == "old"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_whole(path, fail, durably=durably)
    assert path.read_text() == "old"
    write_whole(path, lambda fresh: fresh.write_text("new"), durably=durably)
    assert path.read_text() == "new" and list(path.parent.iterdir()) == [path], "something temporary is left"


def test_a_folder_is_the_old_one_until_the_new_one_is_whole(tmp_path: Path) -> None:
    folder = make(tmp_path / "folder", "old")
    (folder / "more").write_text("old")

    def fail(fresh: Path) -> None:
        (fresh / "file").write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_folder(folder, fail)
    assert (folder / "file").read_text() == (folder / "more").read_text() == "old"
    write_folder(folder, lambda fresh: (fresh / "file").write_text("new"))
    assert [path.name for path in folder.iterdir()] == ["file"] and (folder / "file").read_text() == "new"
    assert list(tmp_path.iterdir()) == [folder], "something temporary is left"


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    link, target = tmp_path / "link", make(tmp_path / "there", "old") / "file"
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink() and target.read_text() == "new"


def test_what_is_no_file_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        write_text(pipe, "new")
        assert os.read(reader, 100) == b"new"
    finally:
        os.close(reader)
    assert pipe.is_fifo() and list(tmp_path.iterdir()) == [pipe]


@pytest.mark.parametrize("name", ["there", "there/file/below"])
def test_a_place_that_cannot_be_written_is_named_as_it_was_given(tmp_path: Path, name: str) -> None:
    make(tmp_path / "there", "old")
    with pytest.raises(OSError) as refusal:
        write_text(tmp_path / name, "new")
    assert str(refusal.value).endswith(f"{str(tmp_path / name)!r}")
    assert (tmp_path / "there" / "file").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_is_named_by_the_place_that_was_given(tmp_path: Path) -> None:
    source = make(tmp_path / "source", "whole") / "file"

    def copy(fresh: Path) -> None:
        # As shutil.copyfile raises it.
        raise OSError(errno.ENOSPC, "No space left on device", str(source), None, str(fresh / "file"))

    with pytest.raises(OSError, match=f"No space left on device: '{tmp_path / 'out'}'$"):
        write_folder(tmp_path / "out", copy)
    with pytest.raises(OSError, match=r"No space left on device: '/dev/full'$"):
        write_text(Path("/dev/full"), "new")
    assert list(tmp_path.iterdir()) == [source.parent], "something temporary is left"


def test_a_file_that_cannot_be_read_for_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"'{tmp_path / 'source'}'$"):
        write_folder(tmp_path / "out", lambda fresh: shutil.copyfile(tmp_path / "source", fresh / "file"))
