# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Nodes of the package as child processes, each with a log file; none outlives its owner."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from ament_index_python.packages import get_package_prefix

from pointpillars_ov_ros.config.errors import PointPillarsError

_STOP_S = 10.0


class NodeProcesses:
    """Running nodes; leaving the context interrupts them, and kills those that do not end."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        """Write logs into the folder `logs`; the nodes get `environment`."""
        self._logs = logs
        self._environment = dict(environment)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._files: list[IO[bytes]] = []

    def __enter__(self) -> NodeProcesses:
        """Create the log folder."""
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every node that is still running."""
        for process in self._processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in self._processes.values():
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for file in self._files:
            file.close()

    def start(self, executable: str, parameters: Mapping[str, object], ros_arguments: Sequence[str] = ()) -> None:
        """Start a node of this package."""
        prefix = Path(get_package_prefix("pointpillars_ov_ros"))
        command = [sys.executable, str(prefix / "lib" / "pointpillars_ov_ros" / executable)]
        if parameters or ros_arguments:
            command += ["--ros-args", *ros_arguments]
        for name, value in parameters.items():
            command += ["-p", f"{name}:={_format(value)}"]
        file = (self._logs / f"{executable}.log").open("wb")
        self._files.append(file)
        # In a session of its own, so that Ctrl-C reaches it only through us, in order.
        self._processes[executable] = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, env=self._environment, start_new_session=True
        )

    def has_ended(self, executable: str) -> bool:
        """Whether a node has ended successfully; PointPillarsError with its last words if it failed."""
        code = self.code(executable)
        if code:
            log = self._logs / f"{executable}.log"
            words = log.read_text(errors="replace").strip().splitlines() or ["it printed nothing"]
            raise PointPillarsError(f"{executable} ended with code {code}: {words[-1]} (full log: {log})")
        return code == 0

    def pid(self, executable: str) -> int:
        """Return the process id of a node."""
        return self._processes[executable].pid

    def code(self, executable: str) -> int | None:
        """Return the exit code of a node; None if it is running."""
        return self._processes[executable].poll()

    def check(self) -> None:
        """Raise PointPillarsError if any node failed."""
        for executable in self._processes:
            self.has_ended(executable)


def _format(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    # Quoted as JSON, which is YAML, so that a frame named 000038 or a folder named 1 stays a string.
    return json.dumps(value) if isinstance(value, str) else str(value)
