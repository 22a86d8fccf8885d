# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Answers of a bundle's networks on CPU in float32, with the original graphs; cached beside the compiled networks.

For an INT8 bundle this is the answer of that same INT8 graph: its FakeQuantize steps are part of the network. The cost
of quantization itself is measured by `pointpillars_ov quantize` and `evaluate`.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import logging
import zipfile
from pathlib import Path

import numpy as np
import openvino as ov

from pointpillars_ov_ros.config.files import write_whole
from pointpillars_ov_ros.config.mapping import to_mapping
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.pillars import Pillars
from pointpillars_ov_ros.core.scatter import Canvas
from pointpillars_ov_ros.inference.device.network import Network
from pointpillars_ov_ros.inference.slot.encoders import DeviceEncoder
from pointpillars_ov_ros.inference.slot.frame_slot import Answer, copy_answer
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.model.ports import pfe_ports, rpn_ports

log = logging.getLogger(__name__)

_FORMAT = 1
"""Format of the cached files; with another number, older ones are ignored."""
_BLOCK = 1000
"""Number of pillars per request of the PFE."""
_PROPERTIES = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}


class Reference:
    """Source of reference answers; networks are compiled for the first cloud that is not in the cache."""

    def __init__(self, bundle: ModelBundle, cache_dir: str = "", rpn: Network | None = None) -> None:
        """Cache answers in `cache_dir`, unless it is empty.

        `rpn` is the RPN if it is already compiled, unmodified, for CPU in float32.
        """
        self._bundle, self._rpn = bundle, rpn
        self._encoder: DeviceEncoder | None = None
        self._cache = Path(cache_dir) if cache_dir else None

    def answer(self, points: FloatArray) -> Answer:
        """Return the answer for `points` (N, 4); InferenceError if the CPU cannot compute it."""
        path = None if self._cache is None else self._cache / f"parity-{self._key(points)}.npz"
        answer = None if path is None else read(path, self._bundle.config)
        if answer is None:
            answer = self._infer(points)
            if path is not None:
                write(path, answer)
        return answer

    def _infer(self, points: FloatArray) -> Answer:
        config = self._bundle.config
        block = min(_BLOCK, config.grid.max_pillars)
        if self._rpn is None:
            self._rpn = Network(self._bundle.path(config.rpn.file), "CPU", _PROPERTIES, rpn_ports(config))
        if self._encoder is None:
            self._encoder = self._make_encoder(block)
        pillars, request = Pillars(config.grid), self._rpn.create_request()
        pillars.group(points)
        features = encode_in_blocks(self._encoder, pillars, block)
        Canvas(request.tensor(config.rpn.input), config.grid.max_pillars).scatter(features, pillars)
        request.start()
        request.finish()
        return copy_answer(features, pillars.size, request, config)

    def _make_encoder(self, block: int) -> DeviceEncoder:
        """Compile the original PFE; its encoder has room for one block of pillars, and so needs little memory."""
        config = self._bundle.config
        ports, shapes = pfe_ports(config, config.grid.max_pillars), pfe_ports(config, block).inputs
        network = Network(self._bundle.path(config.pfe.file), "CPU", _PROPERTIES, ports, shapes)
        few = dataclasses.replace(config, grid=dataclasses.replace(config.grid, max_pillars=block))
        return DeviceEncoder(network, few, block)

    def _key(self, points: FloatArray) -> str:
        """Return a name for the answer that changes with everything that it depends on."""
        config = self._bundle.config
        cloud = hashlib.sha256(points.tobytes()).hexdigest()
        # The sha256 of each file of the networks is part of the description.
        facts = [_FORMAT, ov.get_version(), cloud, to_mapping(config)]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def encode_in_blocks(encoder: DeviceEncoder, pillars: Pillars, block: int) -> FloatArray:
    """Encode the pillars block by block; return the features (blocks, C, block)."""
    features = []
    for begin in range(0, max(1, pillars.size), block):
        encoder.prepare(part_of(pillars, begin, min(begin + block, pillars.size)))
        encoder.start()
        features.append(encoder.finish().copy())
    return np.concatenate(features)


def part_of(pillars: Pillars, begin: int, end: int) -> Pillars:
    """Return the pillars `begin` to `end` as if there were no others; a view."""
    part, first = copy.copy(pillars), pillars.starts[begin]
    part.size = end - begin
    part.coords = pillars.coords[begin:end]
    part.starts = pillars.starts[begin : end + 1] - first
    part.points = pillars.points[first:]
    return part


def read(path: Path, config: ModelConfig) -> Answer | None:
    """Return the answer stored in a file; None if there is none or it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            # `write` does not compress, and compressed data may expand without bounds.
            if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
                raise ValueError("it is compressed")
        with np.load(path, allow_pickle=False) as arrays:
            answer = Answer(*(arrays[name] for name in Answer._fields))
    except FileNotFoundError:
        return None
    # Damaged files make zipfile and NumPy raise almost any exception.
    except Exception as error:
        log.warning("%s is damaged (%s) and is computed again", path, error)
        return None
    names = config.rpn
    outputs = rpn_ports(config).outputs
    wanted = [outputs[names.boxes], outputs[names.scores], outputs[names.directions]]
    shapes = [array.shape for array in answer[1:]]
    fits = shapes == wanted and answer.features.ndim == 2 and all(array.dtype == np.float32 for array in answer)
    if not fits:
        log.warning("%s is damaged (arrays of other shapes or types) and is computed again", path)
        return None
    return answer


def write(path: Path, answer: Answer) -> None:
    """Store an answer, completely or not at all; a folder that is not writable is not an error."""
    try:
        write_whole(path, lambda fresh: np.savez(fresh, **answer._asdict()))
    except OSError as error:
        log.warning("%s: the reference answer of the parity check cannot be stored: %s", path, error)
