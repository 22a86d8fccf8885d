# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rewriting of an INT8 RPN so that a GPU's f16 does not change what its layers are quantized to.

Between INT8 layers, a GPU keeps values in u8 in any precision. What f16 rounds there are the factors and biases before
a value is quantized. A value next to the border of two steps then falls on the other one, and each layer adds to it.
Behind the last quantizer f16 only rounds, and halves the memory traffic of the largest tensors.
"""

from __future__ import annotations

import logging
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from pointpillars_ov_ros.model.graph import UnfamiliarGraphError, find, is_fixed, scalar, source

_LOG = logging.getLogger(__name__)

KEEP_F32 = {"name": "DisablePrecisionConversion", "version": "0", "value": "dynamic:f16"}
"""Attribute of a layer in an IR file: an inference precision of f16 leaves it in float32."""
_LEVELS = 256


def keep_quantizers_exact(model: ov.Model) -> ov.Model:
    """Return `model` with float32 up to its last quantizers, whatever float precision the GPU plugin is asked for.

    `model` is changed, too. A plugin that does not know the attribute uses the precision asked for throughout.
    """
    ends = []
    for quantizer in [node for node in find(model, "FakeQuantize") if not is_fixed(source(node))]:
        ends.append(quantizer.get_friendly_name())
        try:
            ends += share_steps(quantizer)
        except UnfamiliarGraphError as reason:
            _LOG.debug("share_steps: left unchanged: %s", reason)
    model.validate_nodes_and_infer_types()
    # The attribute is read from a file; the Python API has no other way to set it.
    with TemporaryDirectory() as folder:
        path = Path(folder, "rpn.xml")
        ov.serialize(model, path)
        keep_f32(path, ends)
        core = ov.Core()
        # Mapped weights would need the file for as long as the model.
        core.set_property({"ENABLE_MMAP": False})
        return core.read_model(path)


def share_steps(quantizer: ov.Node) -> list[str]:
    """Let layers behind the last quantizers read the steps of `quantizer` in u8, and return the name of that tensor.

    They get a dequantization of their own. With the common one, which stays in float32, they would get a conversion in
    front, and run in f16 instead of INT8. UnfamiliarGraphError if the values are not 0 to 255 times a step.
    """
    readers = list(quantizer.output(0).get_target_inputs())
    last = [reader for reader in readers if not feeds_quantizer(reader.get_node())]
    if not last:
        return []
    name = quantizer.get_friendly_name()
    low, high, out_low, out_high = (source(quantizer, index) for index in range(1, 5))
    if quantizer.get_attributes()["levels"] != _LEVELS or scalar(out_low) != 0 or scalar(out_high) <= 0:
        raise UnfamiliarGraphError(f"{name} has other steps than 0 to 255")
    most = np.float32(_LEVELS - 1)
    steps = ops.fake_quantize(quantizer.input_value(0), low, high, np.float32(0), most, _LEVELS)
    steps.set_friendly_name(name)
    shared = ops.convert(steps, "u8")
    shared.set_friendly_name(f"{name}/u8")
    for group in ([reader for reader in readers if reader not in last], last):
        value = ops.multiply(ops.convert(shared, "f32"), np.float32(scalar(out_high)) / most)
        for reader in group:
            reader.replace_source_output(value.output(0))
    return [shared.get_friendly_name()]


def feeds_quantizer(node: ov.Node) -> bool:
    """Whether a FakeQuantize depends on `node`, or is it."""
    if node.get_type_name() == "FakeQuantize":
        return True
    readers = [reader.get_node() for output in node.outputs() for reader in output.get_target_inputs()]
    return any(map(feeds_quantizer, readers))


def keep_f32(path: Path, ends: Sequence[str]) -> None:
    """Add the attribute to the IR at `path`, in the layers called `ends` and all that they depend on but inputs."""
    tree = ET.parse(path)
    layers = {layer.attrib["id"]: layer for layer in tree.iterfind("layers/layer")}
    sources: dict[str, list[str]] = {}
    for edge in tree.iterfind("edges/edge"):
        sources.setdefault(edge.attrib["to-layer"], []).append(edge.attrib["from-layer"])
    waiting, found = [key for key, layer in layers.items() if layer.attrib["name"] in ends], set()
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting += sources.get(key, [])
    for layer in [layers[key] for key in found if layers[key].attrib["type"] != "Parameter"]:
        info = layer.find("rt_info")
        if info is None:
            info = ET.Element("rt_info")
            layer.insert(0 if layer.find("data") is None else 1, info)
        ET.SubElement(info, "attribute", KEEP_F32)
    tree.write(path)
