# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Opening of the model that a user names: a bundle, a bare pair of IR files, or the bundled model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pointpillars_ov_ros.model.bundle import ModelBundle


def open_model(folder: Path | None, scratch: Path) -> ModelBundle:
    """Load the bundle in `folder`, or the bundled model; for a bare IR pair, make a bundle in `scratch` first."""
    from pointpillars_ov_ros.conversion.importers import find_preset, import_ir
    from pointpillars_ov_ros.model.bundle import CONFIG_NAME, load_bundle

    if folder is None:
        from pointpillars_ov_ros.model.shipped import shipped_model

        folder = shipped_model()
    if not (folder / CONFIG_NAME).is_file() and folder.is_dir() and any(folder.glob("*.xml")):
        preset = find_preset(folder)
        print(f"{folder} holds IR files without {CONFIG_NAME}: treated as {preset}, whose tensors they have")
        import_ir(folder, preset, scratch)
        folder = scratch
    return load_bundle(folder)
