# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Random numbers as a function of where they are used: (seed, place) gives the number, whoever asked for what before.

Two forms of the same hash (the finaliser of splitmix64): `RandomStream` deals them out one by one while a scene is laid
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
"""Scales the sum of four uniform numbers to a deviation of 1."""
MAX_NORMAL = 2 * _IRWIN_HALL
"""No normal number of this module is farther than this from 0 (deviations)."""


def scramble(value: int) -> int:
    """Give 64 bits in which every bit of `value` takes part."""
    value = (value + _STEP) & _MASK
    value = ((value ^ (value >> 30)) * _FIRST) & _MASK
    value = ((value ^ (value >> 27)) * _SECOND) & _MASK
    return value ^ (value >> 31)


def make_key(*path: int) -> int:
    """Give the 64-bit key of a place, such as (seed, stream, index); equal paths give equal keys."""
    key = 0
    for part in path:
        key = scramble(key ^ (part & _MASK))
    return key


class RandomStream:
    """A stream of random numbers that belongs to one place."""

    def __init__(self, *path: int) -> None:
        """Begin the stream of the place `path`."""
        self._key = make_key(*path)
        self._drawn = 0

    def unit(self) -> float:
        """Give a number in [0, 1)."""
        self._drawn += 1
        return (scramble(self._key ^ self._drawn) >> 11) * 2.0**-53

    def between(self, low: float, high: float) -> float:
        """Give a number in [low, high)."""
        return low + (high - low) * self.unit()

    def whole(self, low: int, high: int) -> int:
        """Give one of low … high, both included."""
        return low + int((high - low + 1) * self.unit())

    def normal(self, mean: float, deviation: float) -> float:
        """Give a bell-shaped number, never farther than `MAX_NORMAL` deviations from the mean."""
        total = self.unit() + self.unit() + self.unit() + self.unit()
        return mean + deviation * (total - 2.0) * _IRWIN_HALL

    def chance(self, probability: float) -> bool:
        """Tell whether something of this probability happens."""
        return self.unit() < probability

    def choose(self, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
        """Give one of `options`, each as likely as its weight says."""
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
    """Give 64 random bits for use number `salt` of ray `ray` in the frame of `key`."""
    value = key ^ (np.uint64(ray) * np.uint64(_STEP) + np.uint64(salt) * np.uint64(_SECOND))
    value = (value ^ (value >> np.uint64(30))) * np.uint64(_FIRST)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(_SECOND)
    return value ^ (value >> np.uint64(31))


@njit(nogil=True, cache=True, error_model="numpy")
def ray_unit(key: np.uint64, ray: int, salt: int) -> float:
    """Give a number in [0, 1) of a ray."""
    return np.float64(ray_bits(key, ray, salt) >> np.uint64(11)) * 2.0**-53


@njit(nogil=True, cache=True, error_model="numpy")
def ray_normal(key: np.uint64, ray: int, salt: int) -> float:
    """Give a normal number of a ray, mean 0 and deviation 1, within +-MAX_NORMAL: four uniform numbers of 16 bits."""
    bits = ray_bits(key, ray, salt)
    total = 2.0
    for k in range(4):
        total += np.float64((bits >> np.uint64(16 * k)) & np.uint64(0xFFFF))
    return (total / 65536.0 - 2.0) * _IRWIN_HALL
