# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Implementation of `pointpillars_ov convert`: identify the source, import it, print what was assumed."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from pointpillars_ov_ros.config.errors import BundleError
from pointpillars_ov_ros.config.model_config import AnchorConfig, ModelConfig
from pointpillars_ov_ros.conversion.checkpoint_import import (
    check_preset,
    describe_file,
    describe_preset,
    import_checkpoint,
)
from pointpillars_ov_ros.conversion.checkpoint_layouts import Weights
from pointpillars_ov_ros.conversion.importers import (
    Graphs,
    Notes,
    find_onnx_preset,
    find_preset,
    import_ir,
    import_onnx,
)
from pointpillars_ov_ros.conversion.openpcdet_config import Description
from pointpillars_ov_ros.model.bundle import CONFIG_NAME, ModelBundle, load_bundle, write_bundle


def run_convert(options: argparse.Namespace) -> int:
    """Convert as the command line says; PointPillarsError says what is wrong with the source."""
    source, description = options.source, None
    if options.preset:
        description = describe_preset(options.preset, (f"preset {options.preset}: as requested",))
    elif options.config:
        description = describe_file(options.config)
    if source.is_file():
        if options.preset:
            check_preset(options.preset, source)
        bundle, notes = import_checkpoint(source, options.output, description, options.fp16, Weights(options.weights))
    elif options.weights != "main":
        raise BundleError(f"{source} is no checkpoint, so there is nothing that --weights could choose from")
    elif source.is_dir():
        bundle, notes = _convert_folder(source, options.output, description, options.fp16)
    else:
        raise BundleError(f"{source} does not exist")
    if options.name or options.licence:
        bundle = _label(bundle, options.name or bundle.config.name, options.licence or bundle.config.licence)
    for line in (*notes, *summarise(bundle.config)):
        print(f"  {line}")
    megabytes = sum(path.stat().st_size for path in bundle.folder.iterdir()) / 1e6
    classes = ", ".join(bundle.config.classes)
    print(f"{bundle.folder}: {bundle.config.name} with {classes}, {megabytes:.1f} MB, files with their sha256")
    return 0


def _label(bundle: ModelBundle, name: str, licence: str) -> ModelBundle:
    """Write name and licence into a bundle."""
    config = dataclasses.replace(bundle.config, name=name, licence=licence)
    return write_bundle(config, {file: bundle.path(file) for file in config.sha256}, bundle.folder)


def _convert_folder(
    source: Path, output: Path, description: Description | None, fp16: bool
) -> tuple[ModelBundle, Notes]:
    """Convert a bundle, a pair of IR files or a pair of ONNX files."""
    if description is None and (source / CONFIG_NAME).is_file():
        config = load_bundle(source).config
        return import_ir(source, config, output, fp16), (f"configuration: that of the bundle {source}",)
    graphs = find_onnx(source)
    if graphs is None:
        if not any(source.glob("*.xml")):
            raise BundleError(
                f"{source} holds no networks: neither a bundle, nor IR files (pfe.xml, rpn.xml), "
                "nor ONNX files (*pfe*.onnx, *rpn*.onnx)"
            )
        if description is None:
            name = find_preset(source)
            description = describe_preset(
                name, (f"preset {name}: the only one that matches the tensors of the IR files",)
            )
        return import_ir(source, description.config, output, fp16), description.notes
    if description is None:
        name = find_onnx_preset(graphs)
        description = describe_preset(
            name, (f"preset {name}: the only one that matches the tensors of the ONNX files",)
        )
    bundle, notes = import_onnx(graphs, description.config, output, fp16)
    return bundle, (*description.notes, *notes)


def find_onnx(folder: Path) -> Graphs | None:
    """Return the two ONNX files in a folder, None if it has none; BundleError if it is unclear which they are."""
    files = sorted(folder.glob("*.onnx"))
    if not files:
        return None
    if any(folder.glob("*.xml")):
        raise BundleError(f"{folder} holds both ONNX and IR files; move one of the two elsewhere")
    found = {part: [path for path in files if part in path.name.lower()] for part in Graphs._fields}
    for part, paths in found.items():
        if len(paths) != 1:
            names = ", ".join(path.name for path in files)
            raise BundleError(
                f"{folder}: {len(paths)} ONNX files have {part!r} in their name, but one is needed ({names})"
            )
    return Graphs(found["pfe"][0], found["rpn"][0])


def summarise(config: ModelConfig) -> list[str]:
    """Describe the network, one line per property."""
    grid, coder, direction = config.grid, config.box_coder, config.direction
    ranges = zip("xyz", (grid.x_range, grid.y_range, grid.z_range), strict=True)
    extent = ", ".join(f"{axis} {low:g} to {high:g} m" for axis, (low, high) in ranges)
    size, center = grid.pillar_size, grid.pillar_center_offset
    return [
        f"range: {extent}",
        f"pillars: {size[0]:g} x {size[1]:g} m, centre of the first at {center[0]:g}, {center[1]:g}; "
        f"at most {grid.max_pillars}, of {grid.max_points_per_pillar} points",
        *(f"anchors: {summarise_anchor(anchor)}" for anchor in config.anchors),
        f"boxes: angle as {coder.angle.value}, sizes as {coder.size_order.value}, z of the {coder.z_origin.value}",
        f"direction: bin {direction.first_bin} begins at {direction.offset:g} rad",
        f"sensor: {config.sensor.height:g} m above the ground, intensity up to {config.sensor.intensity_max:g}"
        + (f", {config.sensor.beams} beams" if config.sensor.beams else ""),
    ]


def summarise_anchor(anchor: AnchorConfig) -> str:
    """Describe the anchors of a class."""
    size = " x ".join(f"{side:g}" for side in anchor.size)
    angles = ", ".join(f"{angle:g}" for angle in anchor.angles)
    return f"{anchor.class_name}, length x width x height {size} m, bottom at {anchor.bottom_z:g} m, angles {angles}"
