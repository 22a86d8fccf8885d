# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Setup shared by every child of the fuzzing, loaded once: imports watched for coverage, and compiled kernels.

It is imported by the server that the children are forked from (`multiprocessing`), before anything of the package.
Loading it takes ten seconds, and there are thirty targets.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import atheris

PACKAGE = "pointpillars_ov_ros"


def compiled_modules() -> list[str]:
    """Return the modules with kernels that Numba compiles, which cannot be watched for coverage."""
    root = Path(__file__).parents[3] / PACKAGE
    return [
        ".".join(path.relative_to(root.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(root.rglob("*.py"))
        if "njit" in path.read_text(encoding="utf-8")
    ]


with atheris.instrument_imports(include=[PACKAGE], exclude=compiled_modules()):
    from test.torture.fuzz.targets import TARGETS, run

# What Numba compiles, and what is imported late, is no finding of any child.
for _data in TARGETS["cloud_bytes"].seeds():
    with suppress(Exception):
        run(TARGETS["cloud_bytes"], _data)
