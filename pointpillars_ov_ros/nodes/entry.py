# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Executables of the nodes; light to import, so that a missing module is reported as a sentence."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Callable

from pointpillars_ov_ros.config.errors import PointPillarsError, missing_module
from pointpillars_ov_ros.ros.stop_signals import StopSignals

_FOR_NOTHING = ("cffi", "coverage", "scipy")
"""Modules that Numba loads if installed, which takes 0.2 s of CPU time per start.

No kernel of ours calls BLAS or C functions.
"""


def detector() -> int:
    """Run `pointpillars_detector`."""
    return _run("detector.node", "DetectorNode", import_openvino_alone)


def diagnostics() -> int:
    """Run `pointpillars_diagnostics`."""
    return _run("diagnostics.node", "DiagnosticsNode")


def player() -> int:
    """Run `kitti_player`."""
    return _run("kitti_player.node", "KittiPlayerNode")


def _run(module: str, node: str, prepare: Callable[[], None] = lambda: None) -> int:
    # Before any import: loading takes a second or more, in which a launch file may already give up.
    stop = StopSignals()
    # Hundreds of thousands of objects stay for good, and to look through them again and again takes a tenth of a start.
    # `run_node` enables it again.
    gc.disable()
    _leave_deleted_directory()
    try:
        prepare()
        runner = importlib.import_module("pointpillars_ov_ros.ros.runner")
        create = getattr(importlib.import_module(f"pointpillars_ov_ros.nodes.{module}"), node)
        # Also for `ros2 run`: without it, Fast DDS silently loses large clouds.
        importlib.import_module("pointpillars_ov_ros.ros.dds").set_profile()
        # What modules consist of is never freed, so that no later collection needs to look through it.
        gc.freeze()
    except ModuleNotFoundError as error:
        print(f"error: {missing_module(error)}", file=sys.stderr)
        return 1
    except PointPillarsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    code = int(runner.run_node(create, stop))
    # Python's regular exit ends OpenVINO threads that are returning from a callback, which occasionally crashes the
    # process after all its work is done.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _leave_deleted_directory() -> None:
    """Change to `/` if the current directory was deleted, since many imported modules ask for it."""
    try:
        os.getcwd()
    except OSError as error:
        print(f"the current directory cannot be used ({error.strerror}): the node continues in /", file=sys.stderr)
        os.chdir("/")


def import_openvino_alone() -> None:
    """Import OpenVINO without its model converter, which no node needs and which takes longer to load than the rest.

    This is for the only node that needs OpenVINO. Numba is also kept from loading unused modules.
    """
    for name in _FOR_NOTHING:
        # Unless it is already loaded, for example to measure coverage.
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    sys.modules["openvino.tools.ovc"] = None  # type: ignore[assignment]
    importlib.import_module("openvino")
    del sys.modules["openvino.tools.ovc"]
