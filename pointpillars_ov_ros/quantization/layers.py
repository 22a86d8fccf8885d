# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Selection of the layers that stay float when the others are quantized."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import openvino as ov

from pointpillars_ov_ros.config.errors import PointPillarsError
from pointpillars_ov_ros.conversion.inspection import WEIGHTED, find_layers
from pointpillars_ov_ros.model.graph import source

Key = TypeVar("Key", bound=str)


def find_ignored(models: Mapping[Key, ov.Model], names: Sequence[str]) -> dict[Key, list[str]]:
    """Return the layers that `names` stand for, per model: a layer, or the layer that makes an output of that name.

    Raises PointPillarsError if none of the models has it.
    """
    found: dict[Key, list[str]] = {model: [] for model in models}
    for name in names:
        for key, model in models.items():
            layer = _find_layer(model, name)
            if layer is not None and layer not in found[key]:
                found[key].append(layer)
        if all(_find_layer(model, name) is None for model in models.values()):
            known = [layer.name for model in models.values() for layer in find_layers(model)]
            raise PointPillarsError(f"--ignore {name}: no such layer or output; the layers are {', '.join(known)}")
    return found


def find_front(model: ov.Model) -> list[str]:
    """Return the names of the first layer with weights and of all nodes it depends on, without inputs and constants.

    In a PFE these decorate the points and apply the linear layer. There one scale would have to serve metres of range
    and centimetres within a pillar (of 69 m, one of 127 steps is half a metre).
    """
    layers = find_layers(model)
    nodes = [node for node in model.get_ordered_ops() if layers and node.get_friendly_name() == layers[0].name]
    found: dict[str, None] = {}
    while nodes:
        node = nodes.pop()
        if node.get_type_name() not in {"Parameter", "Constant"}:
            found[node.get_friendly_name()] = None
            nodes.extend(source(node, index) for index in range(node.get_input_size()))
    return list(found)


def _find_layer(model: ov.Model, name: str) -> str | None:
    """Return the name of the layer called `name`, or of the one that makes the output `name`; None if there is none."""
    if name in {layer.name for layer in find_layers(model)}:
        return name
    for port in model.outputs:
        if name in port.get_names():
            node = port.get_node()
            while node.get_type_name() not in WEIGHTED and node.get_input_size():
                node = source(node)
            return str(node.get_friendly_name())
    return None
