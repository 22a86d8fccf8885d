# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Networks of a bundle without the pipeline, compiled as by a detector."""

from __future__ import annotations

from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.inference.device.network import Network, Request
from pointpillars_ov_ros.inference.device.properties import pfe_properties, rpn_properties, rpn_rewriting
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.model.lean_rpn import make_lean
from pointpillars_ov_ros.model.ports import pfe_ports, rpn_ports


def compile_pfe(bundle: ModelBundle, runtime: RuntimeConfig, pillars: int) -> Network:
    """Compile the PFE for `pillars` pillars."""
    config = bundle.config
    ports, shape = pfe_ports(config, config.grid.max_pillars), pfe_ports(config, pillars).inputs
    properties = pfe_properties(runtime)
    return Network(bundle.path(config.pfe.file), runtime.pfe_device, properties, ports, shape)


def compile_rpn(bundle: ModelBundle, runtime: RuntimeConfig) -> Network:
    """Compile the RPN, made lean if `runtime.lean_rpn` says so."""
    config, path = bundle.config, bundle.path(bundle.config.rpn.file)
    rewrite = (lambda model: make_lean(model).model) if runtime.lean_rpn else rpn_rewriting(runtime, path)
    return Network(path, runtime.rpn_device, rpn_properties(runtime, path), rpn_ports(config), rewrite=rewrite)


def make_request(network: Network, inputs: list[str]) -> Request:
    """Return a request whose inputs are ones: uninitialized memory could hold numbers that take longer."""
    request = network.create_request()
    for name in inputs:
        request.tensor(name).fill(1)
    return request
