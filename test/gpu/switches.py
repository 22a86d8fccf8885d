# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The switches of igpu_layer.c: files that make the device slow, fail, vanish or tell what it does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple


class DeviceLog(NamedTuple):
    """Operations of the device while they were recorded."""

    kernels: list[str]
    """Names of the kernels started, in order."""
    copies: list[int]
    """Sizes of the copies between memories (bytes)."""
    builds: int
    """Programs built."""


class Switches:
    """The folder that FAKE_IGPU_SWITCHES names; every process that was started with it obeys."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`."""
        self._folder = folder

    def turn_on(self, name: str, value: object = "") -> None:
        """Turn a switch on, for all processes, at once."""
        fresh = self._folder / f".{name}"
        fresh.write_text(str(value))
        # In one step, so that no process reads half a number.
        fresh.replace(self._folder / name)

    def turn_off(self, name: str) -> None:
        """Turn a switch off."""
        (self._folder / name).unlink(missing_ok=True)

    def turn_all_off(self) -> None:
        """Turn every switch off."""
        for path in self._folder.iterdir():
            path.unlink()

    @contextmanager
    def on(self, name: str, value: object = "") -> Iterator[None]:
        """Keep a switch on."""
        self.turn_on(name, value)
        try:
            yield
        finally:
            self.turn_off(name)

    def start_log(self) -> None:
        """Write down from now on what the device does."""
        self.turn_on("log")

    def read_log(self) -> DeviceLog:
        """Return what the device did since `start_log`, and stop writing it down."""
        lines = [line.partition(" ") for line in (self._folder / "log").read_text().splitlines()]
        self.turn_off("log")
        return DeviceLog(
            [value for kind, _, value in lines if kind == "kernel"],
            [int(value) for kind, _, value in lines if kind == "copy"],
            sum(kind == "build" for kind, _, _ in lines),
        )
