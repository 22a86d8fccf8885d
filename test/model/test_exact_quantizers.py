# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The RPN rewritten for a GPU's f16: the same outputs in f32, and marks up to the last quantizers."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from pointpillars_ov_ros.model.exact_quantizers import KEEP_F32, keep_quantizers_exact
from test.model.rpn_models import SHAPE, RpnVariant, build_rpn, random_canvas

VARIANTS = {
    "int8": RpnVariant(int8=True),
    "float heads": RpnVariant(int8=True, float_heads=True),
    "signed canvas": RpnVariant(int8=True, canvas_range=(-1.0, 4.1)),
    "weights under FakeQuantize": RpnVariant(int8=True, fake_weights=True, float_heads=True),
    "every head quantized": RpnVariant(int8=True, separate_quantizers=True),
}
every_variant = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())


def marked_layers(model: ov.Model, path: Path) -> dict[str, list[bool]]:
    """Return whether layers have the attribute, by their type and in order."""
    ov.serialize(model, path)
    found: dict[str, list[bool]] = {}
    for layer in ET.parse(path).iterfind("layers/layer"):
        attributes = [attribute.attrib for attribute in layer.iterfind("rt_info/attribute")]
        found.setdefault(layer.attrib["type"], []).append(KEEP_F32 in attributes)
    return found


@every_variant
def test_the_outputs_are_the_same_under_the_same_names(variant: RpnVariant) -> None:
    canvas, before = random_canvas(), build_rpn(variant)
    after = keep_quantizers_exact(build_rpn(variant))
    assert [port.get_names() for port in after.inputs] == [port.get_names() for port in before.inputs]
    assert [port.get_names() for port in after.outputs] == [port.get_names() for port in before.outputs]
    wanted, given = (
        ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(canvas) for model in (before, after)
    )
    for one, other in zip(wanted.to_tuple(), given.to_tuple(), strict=True):
        np.testing.assert_allclose(other, one, atol=1e-4)


@every_variant
def test_layers_before_a_quantizer_keep_f32_and_those_behind_the_last_do_not(
    variant: RpnVariant, tmp_path: Path
) -> None:
    marked = marked_layers(keep_quantizers_exact(build_rpn(variant)), tmp_path / "rpn.xml")
    heads = 3
    assert marked["Convolution"] == [True] * (len(marked["Convolution"]) - heads) + [False] * heads
    assert marked["ConvolutionBackpropData"] == [not variant.float_heads] * 2
    assert marked["Parameter"] == [False]
    assert marked["Result"] == [False] * heads


def test_what_is_behind_the_last_quantizers_reads_u8_and_dequantizes_by_itself(tmp_path: Path) -> None:
    model = keep_quantizers_exact(build_rpn(RpnVariant(int8=True, float_heads=True)))
    shared = [node for node in model.get_ordered_ops() if node.get_friendly_name().endswith("/u8")]
    readers = [len(node.output(0).get_target_inputs()) for node in shared]
    # The first also feeds the second stage, the second is only upsampled.
    assert readers == [2, 1]
    assert all(node.get_element_type() == ov.Type.u8 for node in shared)


def test_a_network_without_quantizers_stays_as_it_is(tmp_path: Path) -> None:
    model = keep_quantizers_exact(build_rpn(RpnVariant()))
    assert not any(any(marks) for marks in marked_layers(model, tmp_path / "rpn.xml").values())
    assert tuple(model.input(0).shape) == SHAPE
