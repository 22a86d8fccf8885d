# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A piece of the world under construction: new objects keep clear of existing ones."""

from __future__ import annotations

import math

import numpy as np

from pointpillars_ov_ros.core.nms import iou_bev
from pointpillars_ov_ros.synthetic.primitives import Shape
from pointpillars_ov_ros.synthetic.randomness import RandomStream
from pointpillars_ov_ros.synthetic.world.ground import heights_at
from pointpillars_ov_ros.synthetic.world.road import CHUNK, Road
from pointpillars_ov_ros.synthetic.world.scene import UNLABELLED, Group, Placement, make_group

_CLEARANCE = 0.1
"""Minimum distance between labelled objects and anything else (m)."""


class Site:
    """One chunk of the world; places are x and offset as in `Road`."""

    def __init__(self, road: Road, chunk: int, first_identity: int) -> None:
        """Start with an empty site; labelled objects are numbered from `first_identity`."""
        self.road = road
        self.low, self.high = chunk * CHUNK, (chunk + 1) * CHUNK
        """Start and end (m, world x)."""
        self.dice = RandomStream(road.seed, 20, chunk)
        self._next_identity = first_identity
        self._placements: list[Placement] = []
        self._footprints: list[np.ndarray] = []

    def put(
        self,
        shape: Shape,
        x: float,
        offset: float,
        yaw: float,
        name: str = "",
        footprint: tuple[float, float] | None = None,
    ) -> bool:
        """Place `shape` unless the place is taken; return whether it was placed.

        `yaw` (rad) is relative to the road. `name` is the class of a labelled object. `footprint` (length, width, m)
        replaces that of the bounding box, for example for trees, whose crown leaves room below.
        """
        world_x, world_y, heading = self.road.place(x, offset)
        turned = yaw + heading
        length, width = footprint or (shape.size[0] + 2 * _CLEARANCE, shape.size[1] + 2 * _CLEARANCE)
        cos, sin = math.cos(turned), math.sin(turned)
        centre_x, centre_y = (0.0, 0.0) if footprint else shape.centre[:2]
        outline = np.array(
            [
                world_x + cos * centre_x - sin * centre_y, world_y + sin * centre_x + cos * centre_y, 0.0,
                length, width, 1.0, turned,
            ],
            np.float32,
        )  # fmt: skip
        if any(iou_bev(outline, other) > 0.0 for other in self._footprints):
            return False
        identity = UNLABELLED
        if name:
            identity, self._next_identity = self._next_identity, self._next_identity + 1
        self._footprints.append(outline)
        self._placements.append(Placement(shape, world_x, world_y, 0.0, turned, name, identity))
        return True

    def finish(self) -> Group:
        """Set everything on the ground, and return it."""
        ground = self.road.ground(self.low - CHUNK, self.high + CHUNK)
        places = np.array([(p.x, p.y) for p in self._placements]).reshape(-1, 2)
        heights = heights_at(ground, np.ascontiguousarray(places[:, 0]), np.ascontiguousarray(places[:, 1]))
        return make_group([p._replace(z=float(z)) for p, z in zip(self._placements, heights, strict=True)])
