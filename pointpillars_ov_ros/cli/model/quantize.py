# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Implementation of `pointpillars_ov quantize`, once its arguments are known."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from pointpillars_ov_ros.cli.arguments import file_reading
from pointpillars_ov_ros.cli.look_at_files import look_at_frames
from pointpillars_ov_ros.cli.model.quantize_compare import detect, time_network
from pointpillars_ov_ros.cli.model.quantize_report import format_change, format_networks, format_speed
from pointpillars_ov_ros.cli.model.quantize_sources import choose_clouds
from pointpillars_ov_ros.config.errors import BundleError, PointPillarsError, count_of
from pointpillars_ov_ros.conversion.inspection import inspect_bundle
from pointpillars_ov_ros.conversion.open_model import open_model
from pointpillars_ov_ros.kitti.frames import open_frames
from pointpillars_ov_ros.model.bundle import CONFIG_NAME, ModelBundle, load_bundle, write_bundle
from pointpillars_ov_ros.quantization.check import compare
from pointpillars_ov_ros.quantization.quantize import (
    Part,
    Preset,
    QuantizationSettings,
    Ranges,
    load_nncf,
    quantize_bundle,
    read_float_model,
)


def run_quantize(options: argparse.Namespace) -> int:
    """Quantize, compare, and write the bundle, or refuse and write nothing."""
    settings = QuantizationSettings(
        parts=tuple(Part) if options.networks == "both" else (Part(options.networks),),
        preset=Preset(options.preset),
        ranges=Ranges(options.ranges),
        ignored=tuple(options.ignore),
        max_drop=options.max_drop,
    )
    # Checked now, to fail before minutes of work instead of after them.
    load_nncf()
    check_output(options.out, options.model)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        bundle = open_model(options.model, scratch / "source")
        for part in settings.parts:
            read_float_model(bundle, part)
        if options.data is not None:
            for note in look_at_frames(open_frames(options.data, reading=file_reading(options)), bundle.config):
                print(f"note: {note}")
        made = _quantize(options, settings, bundle, scratch)
        write_bundle(made.config, {name: made.path(name) for name in made.config.sha256}, options.out)
    load_bundle(options.out)
    print(f"\nbundle   {options.out}, files with their sha256\n         {made.config.provenance}")
    return 0


def check_output(out: Path, model: Path) -> None:
    """Raise BundleError if a bundle cannot be written to `out`, or would replace the one that it is made from."""
    if out.exists() and not (out / CONFIG_NAME).is_file():
        raise BundleError(f"{out} exists and is not a bundle; it is left unchanged")
    if out.resolve() == model.resolve():
        raise BundleError(f"{out} is the model to quantize; its float networks would be lost")


def _quantize(
    options: argparse.Namespace, settings: QuantizationSettings, bundle: ModelBundle, scratch: Path
) -> ModelBundle:
    """Quantize, and print the changes; PointPillarsError if they are too large."""
    chosen = choose_clouds(options, scratch)
    clouds, count = chosen.clouds, len(chosen.clouds.calibration)
    wanted = f" (all available; {options.subset} were requested)" if count < options.subset else ""
    print(f"calibrating with {count_of(count, 'cloud')} of {clouds.origin}{wanted}, preset {settings.preset.value}")
    made = quantize_bundle(bundle, settings, clouds, scratch)
    through_pfe = Part.PFE in settings.parts
    before = detect(bundle, clouds.checks, through_pfe, "before")
    after = detect(made, clouds.checks, through_pfe, "after")
    threshold = bundle.config.postprocess.score_threshold
    change = compare(before, after, threshold)
    print(f"\n{format_networks(inspect_bundle(bundle), inspect_bundle(made))}")
    print(f"\n{format_change(change, len(clouds.checks), chosen.shared, threshold)}\n")
    if settings.max_drop is not None and change.drop > settings.max_drop:
        raise PointPillarsError(
            f"{change.drop:.4f} of the detections have no partner ({len(change.lost_scores)} lost, "
            f"{len(change.new_scores)} new), more than --max-drop {settings.max_drop:g} allows; nothing was written"
        )
    for part in settings.parts:
        print(format_speed(part, time_network(bundle, made, part)))
    if through_pfe:
        print("note: the host encoder, which does not use the PFE network, cannot replace an INT8 one")
    return made
