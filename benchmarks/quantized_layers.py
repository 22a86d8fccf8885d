# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compare an INT8 RPN on a device with CPU f32: layer by layer, and which output costs detections.

`python -m benchmarks.quantized_layers --model models/streets_int8 --device GPU --precision f16`. For a GPU that is the
CPU, `. .venv/gpu/env.sh` first. The input is the built-in cloud of the parity check. Outputs are compared twice, with
the network as it is stored and as a detector on a GPU rewrites it; layers are those of the stored one.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import openvino as ov

from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.pillars import Pillars
from pointpillars_ov_ros.core.scatter import Canvas
from pointpillars_ov_ros.core.thresholds import keep_all, override_thresholds
from pointpillars_ov_ros.inference.parity.cloud import built_in_cloud
from pointpillars_ov_ros.inference.parity.compare import Fate, Tolerances, compare_answers
from pointpillars_ov_ros.inference.parity.reference import Reference
from pointpillars_ov_ros.inference.slot.frame_slot import Answer
from pointpillars_ov_ros.model.bundle import ModelBundle, load_bundle
from pointpillars_ov_ros.model.exact_quantizers import keep_quantizers_exact

OUTPUTS = ("boxes", "scores", "directions")


class Quantizer(NamedTuple):
    """A FakeQuantize between two layers."""

    name: str
    step: float
    output: ov.Output


class Scene(NamedTuple):
    """What is compared: the networks' answer to a cloud on CPU in f32."""

    bundle: ModelBundle
    points: FloatArray
    answer: Answer
    canvas: FloatArray


def make_scene(bundle: ModelBundle) -> Scene:
    """Return the built-in cloud, its canvas and the reference's answer."""
    config, points = bundle.config, built_in_cloud(bundle.config)
    answer, pillars = Reference(bundle).answer(points), Pillars(config.grid)
    pillars.group(points)
    canvas = np.zeros(config.canvas_shape, np.float32)
    features = np.ascontiguousarray(answer.features[None])
    Canvas(canvas, config.grid.max_pillars).scatter(features, pillars)
    return Scene(bundle, points, answer, canvas)


def find_quantizers(model: ov.Model) -> list[Quantizer]:
    """Return those of activations, in their order."""
    found = []
    for node in model.get_ordered_ops():
        if node.get_type_name() != "FakeQuantize":
            continue
        sources = [node.input(index).get_source_output().get_node() for index in range(3)]
        if sources[0].get_type_name() in ("Constant", "Convert") or sources[1].get_type_name() != "Constant":
            continue
        span = float(np.max(sources[2].data) - np.min(sources[1].data))
        found.append(Quantizer(node.get_friendly_name(), span / (node.get_attributes()["levels"] - 1), node.output(0)))
    return found


def infer(model: ov.Model, canvas: FloatArray, device: str, precision: str) -> list[FloatArray]:
    """Return all outputs."""
    properties = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    compiled = ov.Core().compile_model(model, device, properties)
    results = compiled.create_infer_request().infer({0: canvas})
    return [np.array(results[port], np.float32) for port in compiled.outputs]


def layer_rows(scene: Scene, device: str, precision: str) -> list[str]:
    """Return a row for each quantizer: the share of its values that are on another step, and the most steps off."""
    model = ov.Core().read_model(scene.bundle.path(scene.bundle.config.rpn.file))
    quantizers, before = find_quantizers(model), len(model.outputs)
    model.add_outputs([quantizer.output for quantizer in quantizers])
    wanted = infer(model, scene.canvas, "CPU", "f32")[before:]
    given = infer(model, scene.canvas, device, precision)[before:]
    rows = []
    for quantizer, one, other in zip(quantizers, wanted, given, strict=True):
        steps = np.abs(other - one) / quantizer.step
        rows.append(f"| {quantizer.name} | {100 * np.mean(steps > 0.5):.2f} | {steps.max():.0f} |")
    return rows


def output_rows(scene: Scene, device: str, precision: str, is_rewritten: bool) -> list[str]:
    """Return a row for each output of the RPN: detections off with it from the device, and the rest from the CPU."""
    config, runtime = scene.bundle.config, RuntimeConfig()
    model = ov.Core().read_model(scene.bundle.path(config.rpn.file))
    if is_rewritten:
        model = keep_quantizers_exact(model)
    compiled = ov.Core().compile_model(model, device, {"INFERENCE_PRECISION_HINT": precision})
    request = compiled.create_infer_request()
    request.infer({0: scene.canvas})
    given = {name: request.get_tensor(getattr(config.rpn, name)).data.copy() for name in OUTPUTS}
    settings = override_thresholds(config, runtime)
    rows = []
    for names in (OUTPUTS, *((name,) for name in OUTPUTS)):
        mixed: Any = scene.answer._replace(**{name: given[name] for name in names})
        cells = []
        for each in (keep_all(settings), settings):
            compared = compare_answers(scene.answer, mixed, scene.points, config, each, Tolerances.of(runtime))
            off = sum(one.fate not in (Fate.MATCHED, Fate.TIED) for one in compared.detections)
            cells.append(f"{off} of {len(compared.detections)}")
        error = max(float(np.abs(given[name] - getattr(scene.answer, name)).max()) for name in names)
        mean = max(float(np.abs(given[name] - getattr(scene.answer, name)).mean()) for name in names)
        kept = "up to the last quantizers" if is_rewritten else ""
        rows.append(f"| {kept} | {', '.join(names)} | {' | '.join(cells)} | {error:.2g} | {mean:.1g} |")
    return rows


def main() -> None:
    """Compare, and print two Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="INT8 model bundle")
    parser.add_argument("--device", default="GPU", help="what is compared with CPU f32")
    parser.add_argument("--precision", default="f16", help="its INFERENCE_PRECISION_HINT")
    options = parser.parse_args()
    scene = make_scene(load_bundle(options.model))
    print(f"{scene.bundle.config.name} on {options.device} in {options.precision}, compared with CPU in f32\n")
    print("| in f32 | outputs taken from the device | boxes off, of all kept | of those published | max error | mean |")
    print("|---|---|---|---|---|---|")
    for is_rewritten in (False, True):
        print(*output_rows(scene, options.device, options.precision, is_rewritten), sep="\n", flush=True)
    print("\n| quantizer | values on another step (%) | most steps |\n|---|---|---|")
    print(*layer_rows(scene, options.device, options.precision), sep="\n")


if __name__ == "__main__":
    main()
