# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure the gain of each rewriting of the RPN on the CPU: variants in turn, and the plugin's profile by layer.

    python benchmarks/lean_rpn.py --model BUNDLE_OR_IR_FOLDER --data KITTI/training/velodyne_reduced

Prints Markdown. `ratio` is the median over rounds of the variant's time relative to the original graph's in the same
round. --float strips all quantization first.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from pointpillars_ov_ros.cli.arguments import positive
from pointpillars_ov_ros.conversion.open_model import open_model
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.dense_pfe import DensePfe, DensePfeInputs
from pointpillars_ov_ros.core.pillars import Pillars
from pointpillars_ov_ros.core.scatter import CanvasFormat, CanvasLayout
from pointpillars_ov_ros.kitti.frames import find_frames
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.model.graph import find, source
from pointpillars_ov_ros.model.lean_rpn import (
    make_lean,
    merge_heads,
    replace_canvas,
    sibling_heads,
    take_canvas,
    unroll_deconvolution,
)

PROPERTIES = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
UNTOUCHED, LEAN = "untouched", "lean"
Layer = tuple[str, str, str]


@dataclass
class Variant:
    """A graph, compiled twice: once for timing and once for profiling."""

    compiled: ov.CompiledModel
    request: ov.InferRequest
    counting: ov.InferRequest
    canvases: list[np.ndarray]
    times_ms: list[float] = field(default_factory=list)
    layers_ms: dict[Layer, list[float]] = field(default_factory=dict)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="model bundle, or a folder with its IR files")
    parser.add_argument("--data", type=Path, required=True, help="folder of .bin clouds")
    parser.add_argument("--frames", type=positive, default=3, help="number of canvases to use in turn (default: 3)")
    parser.add_argument("--rounds", type=positive, default=21, help="number of runs of every variant (default: 21)")
    parser.add_argument("--float", action="store_true", help="strip all quantization first")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        bundle = open_model(options.model, Path(scratch) / "bundle")
        canvases = list(make_canvases(bundle, options.data, options.frames))
        variants = compile_variants(bundle, canvases, options.float)
    report_equality(variants)
    measure(variants, options.rounds)
    report_times(variants)
    report_layers(variants)


def make_canvases(bundle: ModelBundle, data: Path, frames: int) -> Iterator[FloatArray]:
    """Yield the canvases [1, C, ny, nx] float32 of the first frames in `data`."""
    config, core = bundle.config, ov.Core()
    names, grid = config.pfe.inputs, config.grid
    pfe = core.compile_model(bundle.path(config.pfe.file), "CPU", PROPERTIES)
    shape = (1, 1, grid.max_pillars, grid.max_points_per_pillar)
    for frame in find_frames(data)[:frames]:
        points, pillars = frame.read_points(), Pillars(grid)
        pillars.group(points)
        dense = DensePfeInputs(
            *(np.zeros(shape[1:3] if name == "num_points" else shape, np.float32) for name in DensePfeInputs._fields)
        )
        DensePfe(grid, dense).fill(pillars)
        features = pfe({getattr(names, name): getattr(dense, name) for name in DensePfeInputs._fields})
        canvas, coords = np.zeros(config.canvas_shape, np.float32), pillars.coords[: pillars.size]
        canvas[0][:, coords[:, 1], coords[:, 0]] = features[config.pfe.output][0, :, : pillars.size, 0]
        yield canvas


Rewriting = Callable[[ov.Model], CanvasFormat]


def untouched(model: ov.Model) -> CanvasFormat:
    """Change nothing."""
    return CanvasFormat()


def canvas_nhwc(model: ov.Model) -> CanvasFormat:
    """Change the order of the canvas only."""
    form, canvas = CanvasFormat(CanvasLayout.NHWC), model.get_parameters()[0]
    replace_canvas(model, canvas, canvas, form)
    return form


def deconvolutions(model: ov.Model) -> CanvasFormat:
    """Unroll the deconvolutions only."""
    for node in find(model, "ConvolutionBackpropData"):
        unroll_deconvolution(node, in_float=True)
    return CanvasFormat()


def heads(model: ov.Model) -> CanvasFormat:
    """Merge the heads only."""
    for group in sibling_heads(model):
        merge_heads(group)
    return CanvasFormat()


def lean(model: ov.Model) -> CanvasFormat:
    """Apply all rewritings of the package."""
    return make_lean(model).canvas


REWRITINGS: dict[str, Rewriting] = {
    UNTOUCHED: untouched,
    "canvas f32 NHWC": canvas_nhwc,
    "canvas u8 NHWC": take_canvas,
    "deconvolutions": deconvolutions,
    "heads": heads,
    LEAN: lean,
}


def compile_variants(bundle: ModelBundle, canvases: list[FloatArray], as_float: bool) -> dict[str, Variant]:
    """Compile the RPN with every rewriting; print the time of the rewriting itself."""
    core, variants = ov.Core(), {}
    for name, rewrite in REWRITINGS.items():
        if as_float and name == "canvas u8 NHWC":
            continue
        model = core.read_model(bundle.path(bundle.config.rpn.file))
        if as_float:
            strip_quantization(model)
        begin = time.perf_counter()
        form = rewrite(model)
        if name == LEAN:
            print(f"rewriting: {1e3 * (time.perf_counter() - begin):.0f} ms; canvas: {form}\n")
        model.validate_nodes_and_infer_types()
        compiled = core.compile_model(model, "CPU", PROPERTIES)
        counting = core.compile_model(model, "CPU", {**PROPERTIES, "PERF_COUNT": True}).create_infer_request()
        inputs = [write(canvas, form) for canvas in canvases]
        variants[name] = Variant(compiled, compiled.create_infer_request(), counting, inputs)
    return variants


def write(canvas: FloatArray, form: CanvasFormat) -> np.ndarray:
    """Return the canvas in the format."""
    written = form.quantize(canvas) if form.quantized else canvas
    return np.ascontiguousarray(written.transpose(0, 2, 3, 1)) if form.layout is CanvasLayout.NHWC else written


def strip_quantization(model: ov.Model) -> None:
    """Remove every FakeQuantize, and replace quantized weights by their values in float32."""
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        if kind == "FakeQuantize":
            node.output(0).replace(node.input_value(0))
        elif kind in {"Convolution", "ConvolutionBackpropData"}:
            values = ops.constant(evaluate(source(node, 1)))
            weights = ops.convert(values, node.get_element_type().to_string())
            node.input(1).replace_source_output(weights.output(0))
    model.validate_nodes_and_infer_types()


def evaluate(node: ov.Node) -> FloatArray:
    """Compute a weight expression."""
    if node.get_type_name() == "Constant":
        values: FloatArray = node.get_data().astype(np.float32)
        return values
    inputs = [evaluate(source(node, index)) for index in range(node.get_input_size())]
    functions: dict[str, Callable[..., FloatArray]] = {
        "Convert": np.asarray,
        "Subtract": np.subtract,
        "Multiply": np.multiply,
    }
    values = functions[node.get_type_name()](*inputs)
    return values


def report_equality(variants: dict[str, Variant]) -> None:
    """Print the difference of the lean outputs from the original ones, over all canvases."""
    before, after = variants[UNTOUCHED], variants[LEAN]
    differences: dict[str, float] = {}
    for old, new in zip(before.canvases, after.canvases, strict=True):
        wanted, given = before.request.infer(old), after.request.infer(new)
        for port, other in zip(before.compiled.outputs, after.compiled.outputs, strict=True):
            name = port.get_any_name()
            difference = float(np.abs(wanted[port] - given[other]).max())
            differences[name] = max(differences.get(name, 0.0), difference)
    print(f"largest difference of an output, lean to original, {len(before.canvases)} frames: {differences}\n")


def measure(variants: dict[str, Variant], rounds: int) -> None:
    """Run all variants in turn, then all of them with profiling; the first round of each is discarded."""
    for index in range(rounds + 1):
        for variant in variants.values():
            canvas = variant.canvases[index % len(variant.canvases)]
            variant.request.set_input_tensor(ov.Tensor(canvas, shared_memory=True))
            begin = time.perf_counter()
            variant.request.infer()
            if index:
                variant.times_ms.append(1e3 * (time.perf_counter() - begin))
    for index in range(rounds + 1):
        for variant in variants.values():
            variant.counting.infer([variant.canvases[index % len(variant.canvases)]], share_inputs=True)
            for layer in variant.counting.profiling_info if index else ():
                if layer.status == ov.ProfilingInfo.Status.EXECUTED:
                    key = (layer.node_name, layer.node_type, layer.exec_type)
                    variant.layers_ms.setdefault(key, []).append(1e3 * layer.real_time.total_seconds())


def report_times(variants: dict[str, Variant]) -> None:
    """Print the table of variants."""
    print("| graph | median ms | min ms | ratio | ratio of min | layers' sum |\n|---|---|---|---|---|---|")
    first = np.array(variants[UNTOUCHED].times_ms)
    for name, variant in variants.items():
        times = np.array(variant.times_ms)
        total = sum(float(np.median(values)) for values in variant.layers_ms.values())
        print(
            f"| {name} | {np.median(times):.1f} | {times.min():.1f} | {np.median(times / first):.3f} "
            f"| {times.min() / first.min():.3f} | {total:.1f} |"
        )


def report_layers(variants: dict[str, Variant]) -> None:
    """Print the layers of the original and of the lean graph that take a measurable time."""
    for name in (UNTOUCHED, LEAN):
        print(f"\nLayers, {name}\n\n| layer | type | implementation | median ms |\n|---|---|---|---|")
        for (layer, kind, implementation), values in variants[name].layers_ms.items():
            if np.median(values) >= 0.05:
                print(f"| {layer} | {kind} | {implementation} | {np.median(values):.2f} |")


if __name__ == "__main__":
    main()
