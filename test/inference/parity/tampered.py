# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bundles whose networks are not quite those of another one: what a device that computes wrongly is like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from pointpillars_ov_ros.model.bundle import ModelBundle, write_bundle

Change = Callable[[np.ndarray], np.ndarray]


def tamper(bundle: ModelBundle, folder: Path, change: Callable[[ov.Model], None], part: str = "rpn") -> ModelBundle:
    """Write a bundle of which one network is changed."""
    file = getattr(bundle.config, part).file
    model = ov.Core().read_model(bundle.path(file))
    change(model)
    folder.mkdir(parents=True)
    ov.save_model(model, folder / file, compress_to_fp16=False)
    changed = (file, str(Path(file).with_suffix(".bin")))
    sources = {name: folder / name if name in changed else bundle.path(name) for name in bundle.config.sha256}
    return write_bundle(bundle.config, sources, folder / "bundle")


def weights(change: Change, name: str = "") -> Callable[[ov.Model], None]:
    """Change the weights of the convolution of that name, or of all."""

    def apply(model: ov.Model) -> None:
        nodes = [node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution"]
        chosen = [node for node in nodes if name in ("", node.get_friendly_name())]
        assert chosen
        for node in chosen:
            constant = node.input_value(1).get_node()
            node.input(1).replace_source_output(ops.constant(change(constant.get_data().copy())).output(0))

    return apply


def swap_outputs(one: str, other: str) -> Callable[[ov.Model], None]:
    """Swap two outputs."""

    def apply(model: ov.Model) -> None:
        ends = [model.output(name).get_node().input_value(0).get_node() for name in (one, other)]
        sources = [end.input_value(0) for end in ends]
        for end, source in zip(ends, reversed(sources), strict=True):
            end.input(0).replace_source_output(source)

    return apply


def noisy(values: np.ndarray) -> np.ndarray:
    """Add noise of half their spread."""
    noise = np.random.default_rng(3).normal(0.0, values.std() / 2, values.shape)
    return (values + noise).astype(np.float32)


def one_is(wrong: float) -> Change:
    """Replace one weight."""

    def apply(values: np.ndarray) -> np.ndarray:
        values.flat[0] = wrong
        return values

    return apply


def as_f16(values: np.ndarray) -> np.ndarray:
    """Round to f16."""
    return values.astype(np.float16).astype(np.float32)


def as_bf16(values: np.ndarray) -> np.ndarray:
    """Cut to bf16."""
    return (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
