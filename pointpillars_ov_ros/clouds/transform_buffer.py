# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tree of frames over the last seconds, and lookup of the transform between any two of them at a given time."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import NamedTuple

from pointpillars_ov_ros.clouds.transform import Quaternion, Transform, slerp
from pointpillars_ov_ros.config.errors import shown

_KEEP_NS = 10_000_000_000
_FARTHEST = 1e9
"""Maximum distance between two frames (m), a hundred times the size of the Earth."""
_MOST = 4096
"""Maximum number of poses kept per frame, at any rate."""

Translation = tuple[float, float, float]


class Missing(NamedTuple):
    """Reason why there is no transform."""

    reason: str
    may_come: bool
    """Whether waiting for it makes sense."""


@dataclass
class _Track:
    """Poses of a frame in its parent, sorted by stamp."""

    parent: str
    is_static: bool
    stamps_ns: list[int] = field(default_factory=list)
    poses: list[tuple[Translation, Quaternion]] = field(default_factory=list)

    def add(self, stamp_ns: int, pose: tuple[Translation, Quaternion]) -> None:
        if self.stamps_ns and (self.is_static or stamp_ns < self.stamps_ns[-1] - _KEEP_NS):
            # Earlier poses no longer count; or the clock went back, as when a bag restarts.
            self.stamps_ns, self.poses = [], []
        at = bisect_right(self.stamps_ns, stamp_ns)
        self.stamps_ns.insert(at, stamp_ns)
        self.poses.insert(at, pose)
        old = max(bisect_left(self.stamps_ns, self.stamps_ns[-1] - _KEEP_NS), len(self.poses) - _MOST)
        del self.stamps_ns[:old], self.poses[:old]

    def pose_at(self, stamp_ns: int) -> tuple[Translation, Quaternion] | Missing:
        """Return the pose at a time, interpolated; that of a static frame at any time; the newest one at 0."""
        first, last = self.stamps_ns[0], self.stamps_ns[-1]
        if self.is_static or stamp_ns in (0, last):
            return self.poses[-1]
        if stamp_ns > last:
            return Missing(f"the newest is {(stamp_ns - last) / 1e9:.3f} s older than the cloud", may_come=True)
        if stamp_ns < first:
            return Missing(f"the oldest kept is {(first - stamp_ns) / 1e9:.3f} s newer than the cloud", may_come=False)
        after = bisect_right(self.stamps_ns, stamp_ns)
        begin, end = self.stamps_ns[after - 1], self.stamps_ns[after]
        share = (stamp_ns - begin) / (end - begin)
        (p, q), (r, s) = self.poses[after - 1], self.poses[after]
        x, y, z = ((1.0 - share) * i + share * j for i, j in zip(p, r, strict=True))
        return (x, y, z), slerp(q, s, share)


class TransformBuffer:
    """Frames by name, each with its parent; used from one thread."""

    def __init__(self) -> None:
        """Start without frames."""
        self._tracks: dict[str, _Track] = {}

    def add(
        self, parent: str, child: str, stamp_ns: int, translation: Translation, rotation: Quaternion, is_static: bool
    ) -> None:
        """Add the pose of `child` in `parent`: m, and a quaternion of any length.

        Invalid poses are ignored: a quaternion of length 0, or numbers that are not finite or beyond any place on
        Earth.
        """
        length = sum(value * value for value in rotation) ** 0.5
        if not (0.0 < length < math.inf and all(abs(value) < _FARTHEST for value in translation)):
            return
        x, y, z, w = (value / length for value in rotation)
        parent, child = parent.lstrip("/"), child.lstrip("/")
        track = self._tracks.get(child)
        if track is None or track.parent != parent or track.is_static != is_static:
            track = self._tracks[child] = _Track(parent, is_static)
        track.add(stamp_ns, (translation, (x, y, z, w)))

    @property
    def frames(self) -> list[str]:
        """Names of all frames, parents included."""
        return sorted(set(self._tracks) | {track.parent for track in self._tracks.values()})

    def find(self, target: str, source: str, stamp_ns: int) -> Transform | Missing:
        """Return T_target_source at `stamp_ns`, or the newest one if that is 0; never extrapolated."""
        up, down = self._to_root(source.lstrip("/")), self._to_root(target.lstrip("/"))
        common = next((name for name in up if name in down), None)
        if common is None:
            return Missing(self._why_apart(up, down), may_come=True)
        halves = []
        for path in (down, up):
            T_common_end = Transform.identity()
            for name in path[: path.index(common)]:
                pose = self._tracks[name].pose_at(stamp_ns)
                if isinstance(pose, Missing):
                    frames = f"{shown(name)} in {shown(self._tracks[name].parent)}"
                    return pose._replace(reason=f"of the poses of {frames}, {pose.reason}")
                T_common_end = Transform.from_quaternion(*pose).after(T_common_end)
            halves.append(T_common_end)
        return halves[0].inverse.after(halves[1])

    def _to_root(self, name: str) -> list[str]:
        """Return a frame, its parent, and so on up to the root."""
        path = [name]
        # A loop, which only a misconfiguration creates, ends where it began.
        while (track := self._tracks.get(path[-1])) is not None and track.parent not in path:
            path.append(track.parent)
        return path

    def _why_apart(self, up: list[str], down: list[str]) -> str:
        parents = {track.parent for track in self._tracks.values()}
        for name in (up[0], down[0]):
            if name not in self._tracks and name not in parents:
                return f"frame {shown(name)} is not published on /tf or /tf_static"
        return f"they are in two separate trees, with the roots {shown(up[-1])} and {shown(down[-1])}"
