# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The world of a seed: an endless road, its surroundings, and its traffic, at any time."""

from __future__ import annotations

import math
from collections import OrderedDict

import numpy as np

from pointpillars_ov_ros.synthetic.randomness import RandomStream
from pointpillars_ov_ros.synthetic.world.crossing import add_side_streets
from pointpillars_ov_ros.synthetic.world.ground import View, heights_at
from pointpillars_ov_ros.synthetic.world.kerbside import furnish, strew
from pointpillars_ov_ros.synthetic.world.mount import MountModel
from pointpillars_ov_ros.synthetic.world.parcels import build_up
from pointpillars_ov_ros.synthetic.world.road import CHUNK, draw_road
from pointpillars_ov_ros.synthetic.world.scene import Group, Scene, join, make_group, make_scene
from pointpillars_ov_ros.synthetic.world.site import Site
from pointpillars_ov_ros.synthetic.world.styles import Style, draw_style
from pointpillars_ov_ros.synthetic.world.traffic import IDENTITIES_PER_LANE, lay_lanes

LEVEL = MountModel()
_KEPT = 64
"""Number of chunks kept after use."""
_PER_CHUNK = 512
"""Number of identities per chunk."""
_FIRST_MOVING = 1 << 24
"""First identity of moving objects; those of standing objects are below."""
_AXLES = 1.35
"""Distance of the axles of the ego vehicle from the sensor, ahead and behind (m)."""


class World:
    """Everything but the sensor; world frame: x along the road, y left, z up (m).

    Identities of standing objects repeat beyond 590 km from the start.
    """

    def __init__(self, seed: int, style: Style | None = None) -> None:
        """Draw the world of `seed`; `style` replaces the drawn one."""
        dice = RandomStream(seed, 1)
        drawn = draw_style(dice)
        self.road = draw_road(seed, style or drawn)
        self._lanes, self._own = lay_lanes(self.road, dice.whole(0, self.road.lanes - 1))
        self._own_offset = self._own.offset + dice.normal(0.0, 0.1)
        self._sway = [(dice.between(0.0, 0.006), dice.between(1.0, 6.0), dice.between(0.0, 6.0)) for _ in range(2)]
        mount = RandomStream(seed, 2)
        self._mount = (mount.normal(0.0, 1.0), mount.normal(0.0, 1.0), mount.normal(0.0, 1.0))
        self._chunks: OrderedDict[int, Group] = OrderedDict()

    def ego_x(self, time: float) -> float:
        """Return x of the ego vehicle (m) at `time` (s)."""
        return self._own.pace.way(time)

    def ego_motion(self, time: float) -> tuple[float, float]:
        """Return speed (m/s) and yaw rate (rad/s) of the ego vehicle."""
        step = 0.05
        before, after = (self.road.place(self.ego_x(t), self._own_offset) for t in (time - step, time + step))
        distance = math.hypot(after[0] - before[0], after[1] - before[1])
        return distance / (2 * step), (after[2] - before[2]) / (2 * step)

    def view(self, time: float, mounting_height: float, mount: MountModel = LEVEL) -> View:
        """Return the lidar frame at `time` (s): on the ego vehicle, `mounting_height` (m) above the road.

        `mount` determines the constant deviation from that height and from level.
        """
        x, y, heading = self.road.place(self.ego_x(time), self._own_offset)
        cos, sin = math.cos(heading), math.sin(heading)
        # The four contact points: front axle, rear axle, left, right.
        xs = np.array([x + _AXLES * cos, x - _AXLES * cos, x - 0.75 * sin, x + 0.75 * sin])
        ys = np.array([y + _AXLES * sin, y - _AXLES * sin, y + 0.75 * cos, y - 0.75 * cos])
        ahead, behind, left, right = heights_at(self.road.ground(x - 5.0, x + 5.0), xs, ys)
        pitch, roll = (amplitude * math.sin(rate * time + phase) for amplitude, rate, phase in self._sway)
        pitch, roll = pitch + (ahead - behind) / (2 * _AXLES), roll + (left - right) / 1.5
        pitch += math.radians(mount.pitch_deg + mount.pitch_spread_deg * self._mount[0])
        roll += math.radians(mount.roll_deg + mount.roll_spread_deg * self._mount[1])
        height = (ahead + behind) / 2 + mounting_height + mount.height_spread * self._mount[2]
        return View(x, y, height, cos, sin, float(pitch), float(roll))

    def scene(self, time: float, view: View, reach: float) -> Scene:
        """Return everything within `reach` (m) of `view` at `time` (s)."""
        low, high = view.x - reach, view.x + reach
        ground = self.road.ground(low - 5.0, high + 5.0)
        movers = [
            user
            for lane in self._lanes
            for user in lane.users(time, low, high, self.road, _FIRST_MOVING + lane.number * IDENTITIES_PER_LANE)
        ]
        places = np.array([(mover.x, mover.y) for mover in movers]).reshape(-1, 2)
        heights = heights_at(ground, places[:, 0].copy(), places[:, 1].copy())
        moving = make_group([mover._replace(z=float(z)) for mover, z in zip(movers, heights, strict=True)])
        standing = [self._chunk(k) for k in range(math.floor(low / CHUNK) - 1, math.floor(high / CHUNK) + 2)]
        return make_scene(join([*standing, moving]), ground, view, reach)

    def _chunk(self, chunk: int) -> Group:
        """Return the standing objects of a chunk, laid out anew if it is not kept."""
        if chunk not in self._chunks:
            self._chunks[chunk] = self._lay_out(chunk)
            if len(self._chunks) > _KEPT:
                self._chunks.popitem(last=False)
        return self._chunks[chunk]

    def _lay_out(self, chunk: int) -> Group:
        site = Site(self.road, chunk, (chunk * _PER_CHUNK) % _FIRST_MOVING)
        crossing = self.road.is_crossing(chunk)
        if crossing:
            add_side_streets(site)
        furnish(site, crossing)
        build_up(site, crossing)
        strew(site, crossing)
        return site.finish()
