# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Selection of the published detections, and their class names: classes, new names, and range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pointpillars_ov_ros.config.errors import ConfigError, require
from pointpillars_ov_ros.core.arrays import BoolArray, IntArray
from pointpillars_ov_ros.core.detections import Detections, check_classes, choose_classes


@dataclass(frozen=True)
class DetectionFilter:
    """Filter that selects and renames the detections of one network."""

    classes: tuple[str, ...]
    """Published names; the labels of the detections from `apply` are indices into them."""
    new_labels: IntArray
    """New label of each of the network's classes, an index into `classes`."""
    is_chosen: BoolArray
    """Whether detections of each of the network's classes are kept."""
    min_range: float = 0.0
    """Minimum horizontal distance from the origin of the network's frame (m)."""
    max_range: float = 0.0
    """Maximum horizontal distance (m); 0: no limit."""
    is_neutral: bool = False
    """Whether every detection stays unchanged."""

    @classmethod
    def make(
        cls,
        known: Sequence[str],
        classes: str = "",
        class_names: str = "",
        min_range: float = 0.0,
        max_range: float = 0.0,
    ) -> DetectionFilter:
        """Create the filter for a network with the classes `known`; `check_filter` reports unknown names.

        `classes` are the network's names of those to keep, separated by commas; empty: all. `class_names` are new
        names, such as 'Car=vehicle, Truck=vehicle'; classes with the same new name are merged.
        """
        new_names = parse_class_names(class_names)
        published = [new_names.get(name, name) for name in known]
        distinct = tuple(dict.fromkeys(published))
        labels = np.array([distinct.index(name) for name in published], np.int32)
        is_chosen = choose_classes(classes, known)
        is_neutral = len(distinct) == len(labels) and bool(is_chosen.all()) and not (min_range or max_range)
        return cls(distinct, labels, is_chosen, min_range, max_range, is_neutral)

    def apply(self, detections: Detections) -> Detections:
        """Return the detections to publish, with labels of `classes`; boxes are in the network's frame."""
        kept = detections.of(self.is_chosen)
        if self.min_range or self.max_range:
            distances = np.hypot(kept.boxes[:, 0], kept.boxes[:, 1])
            kept = kept.where((distances >= self.min_range) & (distances <= (self.max_range or np.inf)))
        return Detections(kept.boxes, kept.scores, self.new_labels[kept.labels], self.classes)


def check_filter(known: Sequence[str], classes: str, class_names: str) -> None:
    """Raise ConfigError if a class to keep or to rename is not one of `known`."""
    check_classes(classes, known)
    for name in parse_class_names(class_names):
        require(name in known, "class_names", name, f"one of the model's classes, {', '.join(known)}")


def parse_class_names(text: str) -> dict[str, str]:
    """Parse new class names, NAME=NEW_NAME separated by commas; ConfigError shows an invalid entry."""
    names: dict[str, str] = {}
    for word in filter(None, (word.strip() for word in text.split(","))):
        name, _, new_name = (part.strip() for part in word.partition("="))
        if not name or not new_name or "=" in new_name:
            raise ConfigError(f"class_names: {word!r} is not NAME=NEW_NAME, such as 'Car=vehicle'")
        if names.get(name, new_name) != new_name:
            raise ConfigError(f"class_names: {name!r} has two new names, {names[name]!r} and {new_name!r}")
        names[name] = new_name
    return names


def check_range(min_range: float, max_range: float) -> None:
    """Raise ConfigError unless the range between the two distances (m) is valid; a `max_range` of 0 is no limit."""
    if max_range and not min_range < max_range:
        raise ConfigError(f"min_range: {min_range:g} is not below max_range, {max_range:g}")
