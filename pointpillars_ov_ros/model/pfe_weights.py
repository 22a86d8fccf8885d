# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights of a PFE network, read from its graph for the host encoder."""

from __future__ import annotations

import numpy as np
import openvino as ov

from pointpillars_ov_ros.config.errors import BundleError
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.pfe import PfeWeights, SlotConvolution

_DECORATED = 9
"""Values per point that the host encoder computes; a tenth must be the mask (see network_graph.decorate_weights)."""


def read_pfe_weights(model: ov.Model) -> PfeWeights:
    """Read a PFE of one linear layer (batch norm folded) with ReLU and maximum or slot convolution.

    Raises BundleError for any other graph. The order of the nine values is not checked here: the engine compares the
    encoder with the network.
    """
    nodes = model.get_ordered_ops()
    convolutions = [node for node in nodes if node.get_type_name() == "Convolution"]
    if not convolutions or len(convolutions) > 2:
        raise BundleError(f"the PFE has {len(convolutions)} convolutions; the host encoder supports 1 or 2")
    linear = _weights(convolutions[0])
    channels = linear.shape[0]
    if linear.shape not in [(channels, values, 1, 1) for values in (_DECORATED, _DECORATED + 1)]:
        raise BundleError(f"the PFE's linear layer has shape {linear.shape}, expected ({channels}, {_DECORATED}, 1, 1)")
    pooling = None
    if len(convolutions) == 2:
        pooling = _read_slot_convolution(convolutions[1], channels)
    elif not any(node.get_type_name() in ("ReduceMax", "MaxPool") for node in nodes):
        raise BundleError("the PFE pools neither by maximum nor by a convolution")
    bias, rows = _bias(convolutions[0]), linear.reshape(channels, -1).T
    if len(rows) == _DECORATED:
        return PfeWeights(np.ascontiguousarray(rows), bias, pooling)
    return PfeWeights(np.ascontiguousarray(rows[:_DECORATED]), bias + rows[_DECORATED], pooling, bias)


def _read_slot_convolution(node: ov.Node, channels: int) -> SlotConvolution:
    weights = _weights(node)
    if weights.ndim != 4 or weights.shape[1:3] != (channels, 1):
        raise BundleError(f"the PFE's pooling has weights of shape {weights.shape}, expected (C, {channels}, 1, taps)")
    dilation = int(list(node.get_attributes()["dilations"])[1])
    taps = np.ascontiguousarray(weights[:, :, 0, :].transpose(2, 1, 0))
    return SlotConvolution(taps, _bias(node), dilation)


def _weights(node: ov.Node) -> FloatArray:
    return _constant(node.input_value(1).get_node(), "weights")


def _bias(node: ov.Node) -> FloatArray:
    """Return the constant that is added to a convolution's output, zeros if there is none."""
    channels = node.output(0).partial_shape[1].get_length()
    for target in node.output(0).get_target_inputs():
        follower = target.get_node()
        if follower.get_type_name() == "Add":
            other = follower.input_value(1 - target.get_index()).get_node()
            return np.ascontiguousarray(np.broadcast_to(_constant(other, "bias").reshape(-1), (channels,)))
    return np.zeros(channels, np.float32)


def _constant(node: ov.Node, what: str) -> FloatArray:
    """Return the value of a constant; float16 ones are behind a Convert."""
    while node.get_type_name() in ("Convert", "FakeQuantize"):
        if node.get_type_name() == "FakeQuantize":
            raise BundleError(f"the PFE's {what} are quantized, which the host encoder does not support")
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant":
        raise BundleError(f"the PFE's {what} come from a {node.get_type_name()}, not from a constant")
    return np.asarray(node.get_data(), np.float32)
