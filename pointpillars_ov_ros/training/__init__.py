# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training of PointPillars with PyTorch, on simulated scenes or KITTI; the only part of the package that needs torch.

Scenes, augmentation, targets and samples need only numpy and numba: the processes that make samples load no torch.
"""
