# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Aliases for the array types passed between the stages."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]
IndexArray = npt.NDArray[np.int64]
ShortArray = npt.NDArray[np.int16]
WordArray = npt.NDArray[np.uint64]
BoolArray = npt.NDArray[np.bool_]
