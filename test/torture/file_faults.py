# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files under the detector's feet: a compile cache damaged, read-only or full, networks that change while it runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from test.torture.arena import DETECTOR, Arena
from test.torture.scenario import NotHereError, Scenario, scenario
from test.torture.stage import STREETS, real_clouds

SCENARIOS: list[Scenario] = []
_NO_ROOT = "it takes root to mount"


def first_scores(folder: Path, cache: Path, model: Path = STREETS) -> tuple[list[float], str]:
    """Start a detector with this cache; return the scores of a cloud, and its log."""
    with Arena(folder) as arena:
        arena.start_checker()
        arena.nodes.start(DETECTOR, {"model_dir": str(model), "cache_dir": str(cache)})
        arena.start_sender(real_clouds(1), "5:600")
        arena.wait_until(lambda: bool(arena.account().detections), "the first detections", 120.0)
        assert len(arena.account().detections[0]["scores"]), "nothing detected"
        return arena.account().detections[0]["scores"], arena.log_of()


def warnings_of_cache(log: str) -> list[str]:
    """Return what the log says of the cache."""
    return [line for line in log.splitlines() if "[WARN]" in line and "cache_dir" in line]


def play_cache(folder: Path, spoil: Callable[[Path], object], warnings: int) -> str:
    """Compare what is detected with a cache that was spoilt with what was before."""
    cache = folder / "cache"
    wanted, _ = first_scores(folder / "cold", cache)
    assert list(cache.glob("*.blob")), "nothing was kept"
    spoil(cache)
    given, log = first_scores(folder / "spoilt", cache)
    assert given == wanted, "other detections than before"
    said = warnings_of_cache(log)
    assert len(said) == warnings, f"{len(said)} warnings instead of {warnings}: {said}"
    return "the same detections as before, a warning each: “…" + said[0].split(" is ")[-1] + "”"


def truncate(cache: Path) -> None:
    """Cut every file of the cache in half."""
    for path in cache.glob("*.blob"):
        os.truncate(path, path.stat().st_size // 2)


def flip(cache: Path) -> None:
    """Flip one bit in every file of the cache, behind its head."""
    for path in cache.glob("*.blob"):
        content = bytearray(path.read_bytes())
        content[len(content) * 3 // 4] ^= 0x40
        path.chmod(0o644)
        path.write_bytes(content)


@scenario(SCENARIOS, "compile cache: every file cut in half", "starts, warns, detects the same")
def cache_cut_off(folder: Path) -> str:
    return play_cache(folder, truncate, warnings=3)


@scenario(SCENARIOS, "compile cache: one bit flipped in every file", "starts, warns, detects the same")
def cache_bits_flipped(folder: Path) -> str:
    return play_cache(folder, flip, warnings=3)


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """Mount something on a folder, which takes root."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", *options, str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def play_no_room(folder: Path, cache: Path) -> str:
    """Compare what is detected with this cache and with one that works; the log has one warning."""
    wanted, _ = first_scores(folder / "plain", folder / "good")
    given, log = first_scores(folder / "spoilt", cache)
    assert given == wanted, "other detections than with a cache that works"
    said = warnings_of_cache(log)
    assert len(said) == 1, f"{len(said)} warnings instead of one: {said}"
    return "the same detections, one warning: “" + said[0].split("]: ")[-1].replace(str(cache), "…") + "”"


@scenario(SCENARIOS, "compile cache on a read-only file system", "starts, one warning, detects the same")
def cache_read_only(folder: Path) -> str:
    if os.geteuid():
        raise NotHereError(_NO_ROOT)
    with mounted(folder / "cache", "-t", "tmpfs", "-o", "ro,size=64m", "tmpfs") as cache:
        return play_no_room(folder, cache)


@scenario(SCENARIOS, "compile cache on a disk that is full", "starts, one warning, detects the same")
def cache_full(folder: Path) -> str:
    if os.geteuid():
        raise NotHereError(_NO_ROOT)
    with mounted(folder / "cache", "-t", "tmpfs", "-o", "size=1m", "tmpfs") as cache:
        return play_no_room(folder, cache)


@scenario(SCENARIOS, "compile cache in a folder that cannot be made", "starts, one warning, detects the same")
def cache_impossible(folder: Path) -> str:
    return play_no_room(folder, Path("/proc/nowhere/cache"))


def overwrite(path: Path) -> None:
    """Write other bytes over a file, in place."""
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))


def empty(path: Path) -> None:
    """Cut a file off, in place."""
    os.truncate(path, 0)


@scenario(
    SCENARIOS,
    "the networks' files are written over, then cut off, while it runs; ~/reload",
    "the same detections go on; ~/reload is refused in a sentence, and the networks at work stay",
)
def networks_changed_on_disk(folder: Path) -> str:
    with Arena(folder) as arena:
        model = folder / "model"
        shutil.copytree(STREETS, model)
        arena.start_checker()
        arena.nodes.start(DETECTOR, {"model_dir": str(model), "mode": "latency"})
        arena.start_sender(real_clouds(1), "5:600")
        arena.wait_until(lambda: bool(arena.account().detections), "the first detections", 120.0)
        wanted, answers = arena.account().detections[0]["scores"], []
        for harm in (overwrite, empty, Path.unlink):
            for path in model.glob("*.bin"):
                harm(path)
            answers.append(arena.trigger("/pointpillars_detector/reload"))
            assert answers[-1].startswith("refused: "), answers[-1]
            seen = len(arena.account().detections)
            arena.wait_until(lambda seen=seen: len(arena.account().detections) > seen + 3, "detections to go on")
        assert all(line["scores"] == wanted for line in arena.account().detections), "other detections than before"
        words = answers[0].partition(str(model) + "/")[2]
        return f"{len(arena.account().detections)} times the same detections; ~/reload refused: “{words}”"
