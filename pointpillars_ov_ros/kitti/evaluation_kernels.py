# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Kernels of KITTI AP: the overlaps of all pairs, and the matching of detections to objects.

A frame f with G objects and D detections owns G * D overlaps, from pair_starts[f], object by object. States: COUNTED
takes part, IGNORED may be matched without consequence, ABSENT is of another kind.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from pointpillars_ov_ros.core.arrays import DoubleArray, IndexArray
from pointpillars_ov_ros.core.nms import intersect_bev

COUNTED, IGNORED, ABSENT = 0, 1, -1


@njit(nogil=True, cache=True)
def fill_image_overlaps(
    truth_starts: IndexArray,
    truth: DoubleArray,
    is_region: np.ndarray,
    found_starts: IndexArray,
    found: DoubleArray,
    pair_starts: IndexArray,
    out: DoubleArray,
) -> None:
    """Write the IoU of 2D boxes (N, 4) to `out`; for regions, the ratio of the detection inside the region."""
    for frame in range(len(truth_starts) - 1):
        k = pair_starts[frame]
        for i in range(truth_starts[frame], truth_starts[frame + 1]):
            for j in range(found_starts[frame], found_starts[frame + 1]):
                a, b = truth[i], found[j]
                width = min(a[2], b[2]) - max(a[0], b[0])
                height = min(a[3], b[3]) - max(a[1], b[1])
                if width > 0.0 and height > 0.0:
                    common = width * height
                    area = (b[2] - b[0]) * (b[3] - b[1])
                    whole = area if is_region[i] else area + (a[2] - a[0]) * (a[3] - a[1]) - common
                    out[k] = common / whole
                else:
                    out[k] = 0.0
                k += 1


@njit(nogil=True, cache=True)
def fill_box_overlaps(
    truth_starts: IndexArray,
    truth: DoubleArray,
    is_region: np.ndarray,
    found_starts: IndexArray,
    found: DoubleArray,
    pair_starts: IndexArray,
    bev: DoubleArray,
    volume: DoubleArray,
) -> None:
    """Write BEV and 3D IoU of `ObjectArrays.boxes` (N, 7); for regions, the ratio of the detection inside."""
    for frame in range(len(truth_starts) - 1):
        k = pair_starts[frame]
        for i in range(truth_starts[frame], truth_starts[frame + 1]):
            for j in range(found_starts[frame], found_starts[frame + 1]):
                bev[k], volume[k] = box_overlaps(truth[i], found[j], is_region[i])
                k += 1


@njit(nogil=True, cache=True)
def box_overlaps(truth: np.ndarray, found: np.ndarray, is_region: bool) -> tuple[float, float]:
    """Return the BEV and 3D overlap of two boxes (7,) float64, 0 to 1."""
    dx, dy = found[0] - truth[0], found[1] - truth[1]
    reach = (math.hypot(truth[3], truth[4]) + math.hypot(found[3], found[4])) / 2
    if dx * dx + dy * dy >= reach * reach:
        return 0.0, 0.0
    common = intersect_bev(dx, dy, truth, found)
    area, other_area = found[3] * found[4], truth[3] * truth[4]
    height = min(truth[2], found[2]) - max(truth[2] - truth[5], found[2] - found[5])
    common_volume = common * max(0.0, height)
    whole = area if is_region else area + other_area - common
    whole_volume = area * found[5] if is_region else area * found[5] + other_area * truth[5] - common_volume
    bev = common / whole if whole > 0.0 else 0.0
    return bev, common_volume / whole_volume if whole_volume > 0.0 else 0.0


@njit(nogil=True, cache=True)
def collect_scores(
    truth_starts: IndexArray,
    truth_states: np.ndarray,
    found_starts: IndexArray,
    found_states: np.ndarray,
    scores: DoubleArray,
    pair_starts: IndexArray,
    overlaps: DoubleArray,
    min_overlap: float,
    out: DoubleArray,
) -> int:
    """Write the scores at which objects are found to `out` (>= number of objects); return their number.

    Every object in turn takes the free detection with the best score that overlaps it enough.
    """
    size = 0
    for frame in range(len(truth_starts) - 1):
        first, last = found_starts[frame], found_starts[frame + 1]
        taken = np.zeros(last - first, np.bool_)
        for i in range(truth_starts[frame], truth_starts[frame + 1]):
            if truth_states[i] == ABSENT:
                continue
            row = pair_starts[frame] + (i - truth_starts[frame]) * (last - first)
            best = -1
            for j in range(first, last):
                if found_states[j] == ABSENT or taken[j - first] or not overlaps[row + j - first] > min_overlap:
                    continue
                if best < 0 or scores[j] > scores[best]:
                    best = j
            if best < 0:
                continue
            taken[best - first] = True
            if truth_states[i] == COUNTED and found_states[best] == COUNTED:
                out[size] = scores[best]
                size += 1
    return size


@njit(nogil=True, cache=True)
def pick_thresholds(scores: DoubleArray, objects: int, steps: int, out: DoubleArray) -> int:
    """Select those of `scores` (best first) whose recall is closest to 0, 1/steps, 2/steps …; return their number.

    `out` holds steps + 1. A score is skipped as long as the next one is closer to the recall aimed at.
    """
    size = 0
    aim = 0.0
    for i in range(len(scores)):
        is_last = i == len(scores) - 1
        recall = (i + 1) / objects
        if not is_last and (i + 2) / objects - aim < aim - recall:
            continue
        out[size] = scores[i]
        size += 1
        aim += 1.0 / steps
    return size


@njit(nogil=True, cache=True)
def count_matches(
    truth_starts: IndexArray,
    truth_states: np.ndarray,
    is_region: np.ndarray,
    truth_alphas: DoubleArray,
    found_starts: IndexArray,
    found_states: np.ndarray,
    found_alphas: DoubleArray,
    scores: DoubleArray,
    pair_starts: IndexArray,
    overlaps: DoubleArray,
    min_overlap: float,
    thresholds: DoubleArray,
    out: DoubleArray,
) -> None:
    """Add up true and false positives, orientation similarity and misses for each threshold, in `out` (T, 4).

    Of the free detections that overlap it enough, every object in turn takes the counted one with the greatest overlap,
    else the first ignored one, in which case it is neither found nor missed. Detections left over are false, unless
    they lie in a DontCare region.
    """
    for frame in range(len(truth_starts) - 1):
        first, last = found_starts[frame], found_starts[frame + 1]
        pairs = pair_starts[frame]
        taken = np.empty(last - first, np.bool_)
        for t in range(len(thresholds)):
            for j in range(first, last):
                taken[j - first] = found_states[j] == ABSENT or scores[j] < thresholds[t]
            for i in range(truth_starts[frame], truth_starts[frame + 1]):
                if truth_states[i] == ABSENT:
                    continue
                row = overlaps[pairs + (i - truth_starts[frame]) * (last - first) :]
                best = first + choose(row, found_states[first:last], taken, min_overlap)
                if best < first:
                    out[t, 3] += truth_states[i] == COUNTED
                    continue
                taken[best - first] = True
                if truth_states[i] == COUNTED and found_states[best] == COUNTED:
                    out[t, 0] += 1.0
                    out[t, 2] += (1.0 + math.cos(truth_alphas[i] - found_alphas[best])) / 2.0
            for j in range(first, last):
                if found_states[j] == COUNTED and not taken[j - first]:
                    out[t, 1] += 1.0
                    for i in range(truth_starts[frame], truth_starts[frame + 1]):
                        row_start = pairs + (i - truth_starts[frame]) * (last - first)
                        if is_region[i] and overlaps[row_start + j - first] > min_overlap:
                            out[t, 1] -= 1.0
                            break


@njit(nogil=True, cache=True)
def choose(overlaps: DoubleArray, states: np.ndarray, taken: np.ndarray, min_overlap: float) -> int:
    """Return the detection that matches an object with these `overlaps` (>= D), -1 if there is none."""
    best, spare = -1, -1
    for j in range(len(states)):
        if taken[j] or not overlaps[j] > min_overlap:
            continue
        if states[j] == COUNTED:
            if best < 0 or overlaps[j] > overlaps[best]:
                best = j
        elif spare < 0:
            spare = j
    return best if best >= 0 else spare
