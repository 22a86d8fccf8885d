# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Random numbers as a function of (seed, place), independent of the order in which they are requested.

Two forms of the same hash (the finalizer of splitmix64): `RandomStream` returns them one by one while a scene is laid
out, the kernels compute them for a ray. Neither depends on the version of a random number library.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numba import njit

T = TypeVar("T")

_MASK = (1 << 64) - 1
_STEP, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_IRWIN_HALL = 3.0**0.5
"""Scales the sum of four uniform numbers to a standard deviation of 1."""
MAX_NORMAL = 2 * _IRWIN_HALL
"""Limit of the normal numbers of this module, in standard deviations from 0."""


def scramble(value: int) -> int:
    """Return 64 bits that depend on every bit of `value`."""
    value = (value + _STEP) & _MASK
    value = ((value ^ (value >> 30)) * _FIRST) & _MASK
    value = ((value ^ (value >> 27)) * _SECOND) & _MASK
    return value ^ (value >> 31)


def make_key(*path: int) -> int:
    """Return the 64-bit key of a place, such as (seed, stream, index); equal paths have equal keys."""
    key = 0
    for part in path:
        key = scramble(key ^ (part & _MASK))
    return key


class RandomStream:
    """Stream of random numbers that belongs to one place."""

    def __init__(self, *path: int) -> None:
        """Start the stream of the place `path`."""
        self._key = make_key(*path)
        self._drawn = 0

    def unit(self) -> float:
        """Return a number in [0, 1)."""
        self._drawn += 1
        return (scramble(self._key ^ self._drawn) >> 11) * 2.0**-53

    def between(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * self.unit()

    def whole(self, low: int, high: int) -> int:
        """Return an integer from low to high, both included."""
        return low + int((high - low + 1) * self.unit())

    def normal(self, mean: float, deviation: float) -> float:
        """Return a normally distributed number, at most `MAX_NORMAL` deviations from the mean."""
        total = self.unit() + self.unit() + self.unit() + self.unit()
        return mean + deviation * (total - 2.0) * _IRWIN_HALL

    def chance(self, probability: float) -> bool:
        """Whether an event of this probability happens."""
        return self.unit() < probability

    def choose(self, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
        """Return one of `options`, each as likely as its weight says."""
        if weights is None:
            return options[int(len(options) * self.unit())]
        left = sum(weights) * self.unit()
        for option, weight in zip(options, weights, strict=True):
            left -= weight
            if left < 0.0:
                return option
        return options[-1]


@njit(nogil=True, cache=True, error_model="numpy")
def ray_bits(key: np.uint64, ray: int, salt: int) -> np.uint64:
    """Return 64 random bits for use number `salt` of ray `ray` in the frame of `key`."""
    value = key ^ (np.uint64(ray) * np.uint64(_STEP) + np.uint64(salt) * np.uint64(_SECOND))
    value = (value ^ (value >> np.uint64(30))) * np.uint64(_FIRST)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(_SECOND)
    return value ^ (value >> np.uint64(31))


@njit(nogil=True, cache=True, error_model="numpy")
def ray_unit(key: np.uint64, ray: int, salt: int) -> float:
    """Return a number in [0, 1) for a ray."""
    return np.float64(ray_bits(key, ray, salt) >> np.uint64(11)) * 2.0**-53


@njit(nogil=True, cache=True, error_model="numpy")
def ray_normal(key: np.uint64, ray: int, salt: int) -> float:
    """Return a normal number for a ray, mean 0, deviation 1, within +-MAX_NORMAL, from four uniform 16-bit numbers."""
    bits = ray_bits(key, ray, salt)
    total = 2.0
    for k in range(4):
        total += np.float64((bits >> np.uint64(16 * k)) & np.uint64(0xFFFF))
    return (total / 65536.0 - 2.0) * _IRWIN_HALL
