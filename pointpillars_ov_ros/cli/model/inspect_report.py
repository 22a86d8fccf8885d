# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Description of a bundle as tables and JSON."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from pointpillars_ov_ros.cli.tables import format_table
from pointpillars_ov_ros.config.mapping import to_mapping
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.conversion.inspection import BundleSummary, LayerSummary, NetworkSummary, inspect_bundle
from pointpillars_ov_ros.conversion.open_model import open_model
from pointpillars_ov_ros.model.bundle import CONFIG_NAME
from pointpillars_ov_ros.model.shipped import shipped_model

_NOT_STATED = "not stated"


def run_inspect(options: argparse.Namespace) -> int:
    """Inspect the bundle and print."""
    folder = options.bundle or shipped_model()
    with tempfile.TemporaryDirectory() as scratch, redirect_stdout(sys.stderr):
        summary = inspect_bundle(open_model(folder, Path(scratch) / "bundle"))
    # The files of a bare pair have just been hashed by ourselves, which proves nothing.
    verified = (folder / CONFIG_NAME).is_file()
    if options.json:
        print(json.dumps(document(summary, verified), indent=2))
    else:
        print(format_bundle(summary, folder, verified, options.layers))
    return 0


def document(summary: BundleSummary, verified: bool) -> dict[str, Any]:
    """Return everything in plain values."""
    networks = {}
    for name, network in summary.networks.items():
        networks[name] = {
            **dataclasses.asdict(network),
            "bytes": network.bytes,
            "precision": network.precision,
            "macs": network.macs,
            "flops": None if network.macs is None else 2 * network.macs,
        }
    return {"config": to_mapping(summary.config), "hashes_verified": verified, "networks": networks}


def format_bundle(summary: BundleSummary, folder: Path, verified: bool, every_layer: bool) -> str:
    """Describe a bundle in lines and tables."""
    return "\n\n".join(
        [
            _lines(_facts(summary.config, folder, verified)),
            _anchors(summary.config),
            *(_network(name, network, every_layer) for name, network in summary.networks.items()),
        ]
    )


def _facts(config: ModelConfig, folder: Path, verified: bool) -> list[tuple[str, str]]:
    grid, sensor, settings = config.grid, config.sensor, config.postprocess
    ranges = zip("xyz", (grid.x_range, grid.y_range, grid.z_range), strict=True)
    rows, columns = config.output_shape
    beams = f", {sensor.beams} beams" if sensor.beams else ""
    hashes = f"{len(config.sha256)} files match {CONFIG_NAME} (sha256)"
    mask = config.anchor_mask
    return [
        ("bundle", str(folder)),
        ("name", config.name),
        ("classes", ", ".join(config.classes)),
        ("range", ", ".join(f"{axis} {low:g} to {high:g}" for axis, (low, high) in ranges) + " m"),
        ("grid", f"{grid.ny} x {grid.nx} pillars (y, x) of {grid.pillar_size[0]:g} x {grid.pillar_size[1]:g} m"),
        ("pillars", f"at most {grid.max_pillars}, of at most {grid.max_points_per_pillar} points"),
        ("output", f"{rows} x {columns} cells (y, x) of {config.anchors_per_cell} anchors"),
        ("anchor mask", "none" if mask is None else f"over more than {mask.min_pillars} occupied pillars"),
        ("thresholds", f"score {settings.score_threshold:g}, NMS {settings.nms_threshold:g} (by default)"),
        ("sensor", f"{sensor.height:g} m above the ground, intensity 0 to {sensor.intensity_max:g}{beams}"),
        ("provenance", config.provenance or _NOT_STATED),
        ("licence", config.licence or _NOT_STATED),
        ("hashes", hashes if verified else f"not verified: there is no {CONFIG_NAME} beside the IR files"),
    ]


def _anchors(config: ModelConfig) -> str:
    rows = []
    for anchor in config.anchors:
        size = " x ".join(f"{side:g}" for side in anchor.size)
        rows.append([anchor.class_name, size, f"{anchor.bottom_z:g}", ", ".join(f"{a:g}" for a in anchor.angles)])
    return format_table(["anchors", "length x width x height (m)", "bottom z (m)", "angles (rad)"], rows)


def _network(name: str, network: NetworkSummary, every_layer: bool) -> str:
    arithmetic = "unknown, since a shape is dynamic"
    if network.macs is not None:
        whole = " for all pillars" if name == "pfe" else ""
        arithmetic = f"{network.macs / 1e9:.2f} G multiply-adds, {2 * network.macs / 1e9:.2f} GFLOPs{whole}"
    facts = [
        (name.upper(), network.file),
        ("  layers", f"{network.precision} ({'quantized' if network.is_quantized else 'not quantized'})"),
        ("  on disk", f"{network.weight_bytes / 1e6:.2f} MB of weights, {network.graph_bytes / 1e6:.2f} MB of graph"),
        ("  inference", arithmetic),
        *(("  input", f"{t.name}: {t.shape} {t.kind}") for t in network.inputs),
        *(("  output", f"{t.name}: {t.shape} {t.kind}") for t in network.outputs),
    ]
    tables = [_lines(facts), _layers(network.layers) if every_layer else _kinds(network.layers), _constants(network)]
    return "\n\n".join(tables)


def _kinds(layers: Iterable[LayerSummary]) -> str:
    """Tabulate layers of the same kind and precision together."""
    groups: dict[tuple[str, str, str], list[LayerSummary]] = {}
    for layer in layers:
        groups.setdefault((layer.kind, layer.precision, layer.stored), []).append(layer)
    rows = [
        [kind, precision, str(len(group)), *_sums(stored, group)] for (kind, precision, stored), group in groups.items()
    ]
    return format_table(["layers with weights", "precision", "number", *_SUMS], rows)


def _layers(layers: Iterable[LayerSummary]) -> str:
    """Tabulate every layer."""
    rows = [[layer.name, layer.kind, layer.precision, *_sums(layer.stored, [layer])] for layer in layers]
    return format_table(["layer", "kind", "precision", *_SUMS], rows)


_SUMS = ("weights", "stored as", "MB", "G multiply-adds")


def _sums(stored: str, layers: Sequence[LayerSummary]) -> list[str]:
    macs = [layer.macs for layer in layers]
    total = "-" if None in macs else f"{sum(filter(None, macs)) / 1e9:.3f}"
    weights, size = sum(layer.weights for layer in layers), sum(layer.weight_bytes for layer in layers)
    return [str(weights), stored or "-", f"{size / 1e6:.3f}", total]


def _constants(network: NetworkSummary) -> str:
    rows = [[c.kind, str(c.count), str(c.values), f"{c.bytes / 1e6:.3f}"] for c in network.constants]
    return format_table(["all constants", "number", "values", "MB"], rows)


def _lines(facts: Iterable[tuple[str, str]]) -> str:
    pairs = list(facts)
    width = max(len(name) for name, _ in pairs)
    return "\n".join(f"{name.ljust(width)}  {text}" for name, text in pairs)
