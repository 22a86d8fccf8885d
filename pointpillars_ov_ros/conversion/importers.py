# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bundles from networks stored as graphs: pairs of IR files, and of ONNX files in SmallMunich's split."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pointpillars_ov_ros.config.errors import BundleError
from pointpillars_ov_ros.config.first_bytes import Content, identify
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.model.bundle import ModelBundle, ir_files, read_config, write_bundle
from pointpillars_ov_ros.model.ports import Shape, pfe_ports, rpn_ports

if TYPE_CHECKING:
    import openvino as ov

Notes = tuple[str, ...]
NO_NETWORKS = (
    Content.EMPTY, Content.ZEROS, Content.GIT_LFS, Content.WEB_PAGE, Content.ZSTD, Content.GZIP, Content.BZIP2,
    Content.XZ, Content.LZ4, Content.ZIP,
)  # fmt: skip
"""Kinds of content that a file named .onnx or .xml may have by mistake."""


class Graphs(NamedTuple):
    """Files of the two networks."""

    pfe: Path
    rpn: Path


def preset_names() -> tuple[str, ...]:
    """Return the names of the architectures that this package describes."""
    return tuple(sorted(path.stem for path in _preset_folder().glob("*.yaml")))


def read_preset(name: str) -> ModelConfig:
    """Read the description of a known architecture."""
    if name not in preset_names():
        raise BundleError(f"{name!r} is not a known architecture; available: {', '.join(preset_names())}")
    return read_config(_preset_folder() / f"{name}.yaml")


def find_preset(source: Path) -> str:
    """Return the name of the one known architecture of the IR pair in `source`; BundleError if none or several fit."""
    reasons, fitting = [], []
    for name in preset_names():
        config = read_preset(name)
        try:
            check_networks(config, Graphs(source / config.pfe.file, source / config.rpn.file))
        except BundleError as error:
            reasons.append(f"{name}: {error}")
        else:
            fitting.append(name)
    return only_one(source, fitting, reasons)


def only_one(source: Path, fitting: list[str], reasons: list[str]) -> str:
    """Return the one preset that fits; BundleError if none or several do."""
    if len(fitting) != 1:
        found = f"{' and '.join(fitting)} fit" if fitting else "; ".join(reasons)
        raise BundleError(f"{source} does not match exactly one known architecture ({found})")
    return fitting[0]


def check_networks(config: ModelConfig, graphs: Graphs) -> tuple[ov.Model, ov.Model]:
    """Read both networks; BundleError if they lack a tensor of `config` or have it in another shape."""
    import openvino as ov

    from pointpillars_ov_ros.model.ports import read_model

    core = ov.Core()
    pfe = read_model(core, graphs.pfe, pfe_ports(config, config.grid.max_pillars))
    return pfe, read_model(core, graphs.rpn, rpn_ports(config))


def import_ir(source: Path, preset: str | ModelConfig, folder: Path, fp16: bool = False) -> ModelBundle:
    """Make a bundle in `folder` from the IR pair in `source`, which must match `preset` (a name or a config).

    The files are copied unchanged, or, with `fp16`, rewritten with weights in f16.
    """
    config = read_preset(preset) if isinstance(preset, str) else preset
    files = ir_files(config)
    missing = [name for name in files if not (source / name).is_file()]
    if missing:
        raise BundleError(f"{source} lacks {', '.join(missing)}, which the architecture {config.name} needs")
    config = dataclasses.replace(config, provenance=f"IR files of {source.resolve()}")
    pfe, rpn = check_networks(config, Graphs(source / config.pfe.file, source / config.rpn.file))
    if fp16:
        return save_bundle(config, pfe, rpn, folder, fp16)
    return write_bundle(config, {name: source / name for name in files}, folder)


def import_onnx(graphs: Graphs, config: ModelConfig, folder: Path, fp16: bool = False) -> tuple[ModelBundle, Notes]:
    """Make a bundle in `folder` from two ONNX files that `config` describes, except for names that it cannot know."""
    pfe, rpn = read_onnx(graphs.pfe), read_onnx(graphs.rpn)
    fitted, notes = fit_names(config, pfe, rpn, graphs)
    fitted = dataclasses.replace(
        fitted, provenance=f"ONNX files {graphs.pfe.resolve()} and {graphs.rpn.name} beside it"
    )
    return save_bundle(fitted, pfe, rpn, folder, fp16), notes


def find_onnx_preset(graphs: Graphs) -> str:
    """Return the name of the one known architecture of two ONNX files; BundleError if none or several fit."""
    pfe, rpn = read_onnx(graphs.pfe), read_onnx(graphs.rpn)
    reasons, fitting = [], []
    for name in preset_names():
        try:
            fit_names(read_preset(name), pfe, rpn, graphs)
        except BundleError as error:
            reasons.append(f"{name}: {error}")
        else:
            fitting.append(name)
    return only_one(graphs.pfe.parent, fitting, reasons)


def read_onnx(path: Path) -> ov.Model:
    """Read an ONNX file; BundleError says in one sentence why it cannot be read."""
    from openvino import frontend
    from openvino.passes import ConstantFolding, Manager

    if not path.is_file():
        raise BundleError(f"{path} is missing")
    content = identify(path)
    if content in NO_NETWORKS:
        raise BundleError(f"{path} is {content.value}")
    # Requested by name: on a damaged file read_model tries all other frontends, which complain on stderr.
    reader = frontend.FrontEndManager().load_by_framework("onnx")
    try:
        model = reader.convert(reader.load(str(path)))
    except _frontend_errors() as error:
        reason = str(error).strip().splitlines()[-1].rstrip(".")
        raise BundleError(f"{path} is truncated or not an ONNX file that OpenVINO can read ({reason})") from None
    if not any(node.get_type_name() == "FakeQuantize" for node in model.get_ops()):
        # The reader leaves biases as reshaped constants, which neither the host encoder nor `make_lean` looks through.
        # In quantized networks folding would also convert the weights to float.
        folding = Manager()
        folding.register_pass(ConstantFolding())
        folding.run_passes(model)
    return model


def fit_names(config: ModelConfig, pfe: ov.Model, rpn: ov.Model, graphs: Graphs) -> tuple[ModelConfig, Notes]:
    """Replace the names of outputs and of the canvas in `config` by those of the exporter, matched by shape.

    Raises BundleError if a tensor has no match or several. The names of the PFE's inputs must be those of `config`.
    """
    from pointpillars_ov_ros.model.ports import check_ports

    pfe_wanted, rpn_wanted = pfe_ports(config, config.grid.max_pillars), rpn_ports(config)
    check_ports(graphs.pfe, "input", pfe.inputs, pfe_wanted.inputs)
    found = {
        **match_ports(graphs.pfe, "output", pfe.outputs, pfe_wanted.outputs),
        **match_ports(graphs.rpn, "input", rpn.inputs, rpn_wanted.inputs),
        **match_ports(graphs.rpn, "output", rpn.outputs, rpn_wanted.outputs),
    }
    names = config.rpn
    fitted = dataclasses.replace(
        config,
        pfe=dataclasses.replace(config.pfe, output=found[config.pfe.output]),
        rpn=dataclasses.replace(
            names,
            input=found[names.input],
            boxes=found[names.boxes],
            scores=found[names.scores],
            directions=found[names.directions],
        ),
    )
    guessed = {name: actual for name, actual in found.items() if name != actual}
    return fitted, tuple(f"tensor {actual!r} is taken for {name!r}, by its shape" for name, actual in guessed.items())


def match_ports(path: Path, kind: str, ports: list[Any], wanted: Mapping[str, Shape]) -> dict[str, str]:
    """Return the network's own name for each `wanted` tensor: the same if it exists, else that of its shape."""
    from pointpillars_ov_ros.model.ports import check_ports

    names = {name for port in ports for name in port.get_names()}
    if names.issuperset(wanted):
        check_ports(path, kind, ports, wanted)
        return {name: name for name in wanted}
    shapes = {port.get_any_name(): str(port.partial_shape) for port in ports}
    matches = {}
    for name, shape in wanted.items():
        written = f"[{','.join(str(size) for size in shape)}]"
        fitting = [own for own, own_shape in shapes.items() if own_shape == written]
        if len(fitting) != 1:
            has = ", ".join(f"{own!r} {own_shape}" for own, own_shape in shapes.items())
            many = "no" if not fitting else "more than one"
            raise BundleError(f"{path}: {many} {kind} tensor has the shape {written} of {name!r}; it has {has}")
        matches[name] = fitting[0]
    check_ports(path, kind, ports, {own: wanted[name] for name, own in matches.items()})
    return matches


def save_bundle(config: ModelConfig, pfe: ov.Model, rpn: ov.Model, folder: Path, fp16: bool) -> ModelBundle:
    """Write two graphs as IR, check the written files against `config`, and make a bundle from them."""
    import openvino as ov

    with tempfile.TemporaryDirectory(prefix="pointpillars_ov_") as scratch:
        graphs = Graphs(Path(scratch) / config.pfe.file, Path(scratch) / config.rpn.file)
        for model, path in zip((pfe, rpn), graphs, strict=True):
            ov.save_model(model, path, compress_to_fp16=fp16)
        check_networks(config, graphs)
        return write_bundle(config, {name: Path(scratch) / name for name in ir_files(config)}, folder)


def _frontend_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions of frontends: their own types, unlike RuntimeError in the rest of OpenVINO."""
    from openvino import frontend

    return (
        RuntimeError,
        frontend.GeneralFailure,
        frontend.InitializationFailure,
        frontend.NotImplementedFailure,
        frontend.OpConversionFailure,
        frontend.OpValidationFailure,
    )


def _preset_folder() -> Path:
    return Path(str(resources.files("pointpillars_ov_ros.conversion"))) / "presets"
