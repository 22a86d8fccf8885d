# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The whole road called directly: no slots, blocks, requests or threads; the PFE padded to all pillars."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov

from pointpillars_ov_ros.core.decode import Decoder
from pointpillars_ov_ros.core.dense_pfe import DensePfe, DensePfeInputs
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.core.pfe import HostEncoder
from pointpillars_ov_ros.core.pillars import Pillars
from pointpillars_ov_ros.core.scatter import CanvasFormat, CanvasLayout
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.model.lean_rpn import make_lean
from pointpillars_ov_ros.model.pfe_weights import read_pfe_weights
from test.reference.ground_contact import set_on_ground


class DirectRoad:
    """Both networks as they are in their files, in float32, run synchronously."""

    def __init__(self, bundle: ModelBundle, on_host: bool = False, lean: bool = False, **properties: Any) -> None:
        """With `on_host` pillars are encoded by the host encoder, with `lean` the RPN's graph is rewritten."""
        self.config = bundle.config
        core = ov.Core()
        properties = {"INFERENCE_PRECISION_HINT": "f32", **properties}
        self._pfe = core.compile_model(bundle.path(self.config.pfe.file), "CPU", properties)
        weights = read_pfe_weights(core.read_model(bundle.path(self.config.pfe.file)))
        self._host = HostEncoder(self.config.grid, weights) if on_host else None
        rpn, self._form = core.read_model(bundle.path(self.config.rpn.file)), CanvasFormat()
        if lean:
            made = make_lean(rpn)
            rpn, self._form = made.model, made.canvas
        self._rpn = core.compile_model(rpn, "CPU", properties)

    def detect(self, points: npt.NDArray[np.float32]) -> Detections:
        """Detect in `points` (N, 4)."""
        config = self.config
        pillars = Pillars(config.grid)
        pillars.group(points)
        features = self._encode(pillars) if self._host is None else self._host.encode(pillars)[0]
        canvas = np.zeros(config.canvas_shape, np.float32)
        coords = pillars.coords[: pillars.size]
        canvas[0][:, coords[:, 1], coords[:, 0]] = features[:, : pillars.size]
        if self._form.layout is CanvasLayout.NHWC:
            canvas = np.ascontiguousarray(canvas.transpose(0, 2, 3, 1))
        if self._form.quantized:
            canvas = self._form.quantize(canvas)
        outputs = self._rpn({config.rpn.input: canvas})
        heads = (outputs[name] for name in (config.rpn.boxes, config.rpn.scores, config.rpn.directions))
        found = Decoder(config).decode(*heads, pillars, config.postprocess)
        clearance = config.postprocess.ground_clearance
        if clearance is None:
            return found
        kept = pillars.points[: pillars.starts[pillars.size]]
        return replace(found, boxes=set_on_ground(kept, found.boxes, config.grid, clearance))

    def _encode(self, pillars: Pillars) -> np.ndarray:
        """Run the PFE network on all pillars, padded; return (C, max_pillars)."""
        config, grid, names = self.config, self.config.grid, self.config.pfe.inputs
        shape = (1, 1, grid.max_pillars, grid.max_points_per_pillar)
        inputs = DensePfeInputs(
            *(
                np.zeros((1, grid.max_pillars) if field == "num_points" else shape, np.float32)
                for field in DensePfeInputs._fields
            )
        )
        DensePfe(grid, inputs).fill(pillars)
        features = self._pfe({getattr(names, field): getattr(inputs, field) for field in DensePfeInputs._fields})
        return features[config.pfe.output][0, :, :, 0]
