# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a bundle's networks answer on CPU in float32, their graphs untouched; kept beside the compiled networks.

Of an INT8 bundle it is what that same INT8 graph answers: its FakeQuantize steps are part of the network. What
quantization itself cost is measured by `pointpillars_ov quantize` and `evaluate`.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import logging
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino as ov

from pointpillars_ov_ros.config.mapping import to_mapping
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.canvas_format import CanvasFormat
from pointpillars_ov_ros.core.pillars import Pillars
from pointpillars_ov_ros.inference.device.network import Network
from pointpillars_ov_ros.inference.slot.encoders import DeviceEncoding
from pointpillars_ov_ros.inference.slot.frame_slot import Answer, FrameSlot
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.model.ports import pfe_ports, rpn_ports

log = logging.getLogger(__name__)

_FORMAT = 1
"""Of the files in the cache; another number leaves older ones unread."""
_BLOCK = 1000
"""Pillars in a request of the PFE."""
_PROPERTIES = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}


class Reference:
    """Answers for clouds; a network is compiled at the first that is not in the cache."""

    def __init__(self, bundle: ModelBundle, cache_dir: str = "", rpn: Network | None = None) -> None:
        """Keep answers in `cache_dir`, unless it is empty.

        `rpn`: the RPN where it is compiled already, untouched for CPU in float32.
        """
        self._bundle, self._rpn = bundle, rpn
        self._encoder: PiecewiseEncoding | None = None
        self._cache = Path(cache_dir) if cache_dir else None

    def answer(self, points: FloatArray) -> Answer:
        """Give the answer for `points` (N, 4); InferenceError where the CPU cannot."""
        path = None if self._cache is None else self._cache / f"parity-{self._key(points)}.npz"
        answer = None if path is None else read(path, self._bundle.config)
        if answer is None:
            answer = self._infer(points)
            if path is not None:
                write(path, answer)
        return answer

    def _infer(self, points: FloatArray) -> Answer:
        config = self._bundle.config
        if self._rpn is None:
            self._rpn = Network(self._bundle.path(config.rpn.file), "CPU", _PROPERTIES, rpn_ports(config))
        if self._encoder is None:
            self._encoder = PiecewiseEncoding(self._bundle)
        return FrameSlot(config, self._encoder, self._rpn, CanvasFormat()).examine(points)

    def _key(self, points: FloatArray) -> str:
        """Give a name for the answer that changes with everything that it follows from."""
        config = self._bundle.config
        cloud = hashlib.sha256(points.tobytes()).hexdigest()
        # The sha256 of each file of the networks is part of the description.
        facts = [_FORMAT, ov.get_version(), cloud, to_mapping(config)]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


class PiecewiseEncoding:
    """The untouched PFE on CPU in float32, one block of pillars after the other: it needs little memory."""

    def __init__(self, bundle: ModelBundle) -> None:
        """Compile."""
        config = bundle.config
        limit = config.grid.max_pillars
        self._block = min(_BLOCK, limit)
        path, shapes = bundle.path(config.pfe.file), pfe_ports(config, self._block).inputs
        network = Network(path, "CPU", _PROPERTIES, pfe_ports(config, limit), shapes)
        few = dataclasses.replace(config, grid=dataclasses.replace(config.grid, max_pillars=self._block))
        self._encoding = DeviceEncoding(network, few, self._block)
        self._features = np.empty((0, config.rpn.channels, self._block), np.float32)

    def prepare(self, pillars: Pillars) -> None:
        """Encode."""
        begins = range(0, max(1, pillars.size), self._block)
        features = []
        for begin in begins:
            self._encoding.prepare(part_of(pillars, begin, min(begin + self._block, pillars.size)))
            self._encoding.start()
            features.append(self._encoding.finish().copy())
        self._features = np.concatenate(features)

    def start(self, done: Callable[[], None] | None = None) -> None:
        """Be done."""
        if done is not None:
            done()

    def is_finished(self) -> bool:
        """Tell that nothing runs."""
        return True

    def finish(self) -> FloatArray:
        """Give the features (blocks, C, B) of the last `prepare`."""
        return self._features


def part_of(pillars: Pillars, begin: int, end: int) -> Pillars:
    """Give the pillars `begin` to `end` as if there were no others; a view."""
    part, first = copy.copy(pillars), pillars.starts[begin]
    part.size = end - begin
    part.coords = pillars.coords[begin:end]
    part.starts = pillars.starts[begin : end + 1] - first
    part.points = pillars.points[first:]
    return part


def read(path: Path, config: ModelConfig) -> Answer | None:
    """Give the answer kept in a file; None where there is none, or none that is whole."""
    try:
        with zipfile.ZipFile(path) as archive:
            # `write` compresses nothing, and what is compressed may grow without bounds.
            if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
                raise ValueError("it is compressed")
        with np.load(path, allow_pickle=False) as arrays:
            answer = Answer(*(arrays[name] for name in Answer._fields))
    except FileNotFoundError:
        return None
    # Damaged files make zipfile and NumPy raise nearly anything.
    except Exception as error:
        log.warning("%s is damaged (%s), so it is made anew", path, error)
        return None
    names = config.rpn
    outputs = rpn_ports(config).outputs
    wanted = [outputs[names.boxes], outputs[names.scores], outputs[names.directions]]
    shapes = [array.shape for array in answer[1:]]
    fits = shapes == wanted and answer.features.ndim == 2 and all(array.dtype == np.float32 for array in answer)
    if not fits:
        log.warning("%s is damaged (arrays of other shapes or types), so it is made anew", path)
        return None
    return answer


def write(path: Path, answer: Answer) -> None:
    """Keep an answer, whole or not at all; a folder that cannot be written to is no reason to fail."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.stem}.", delete=False) as file:
            fresh = Path(file.name)
            try:
                np.savez(file, **answer._asdict())
                file.flush()
                fresh.rename(path)
            except BaseException:
                fresh.unlink(missing_ok=True)
                raise
    except OSError as error:
        log.warning("%s: the reference answer of the parity check is not kept: %s", path, error)
