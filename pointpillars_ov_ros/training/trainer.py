# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training loop: takes batches, trains the network and yields a record per step."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from pointpillars_ov_ros.config.errors import TrainingError
from pointpillars_ov_ros.training.losses import Answers, compute_losses
from pointpillars_ov_ros.training.network import Cloud, PointPillars, as_tensor
from pointpillars_ov_ros.training.samples import Sample
from pointpillars_ov_ros.training.schedule import one_cycle
from pointpillars_ov_ros.training.settings import TrainingSettings

_SECOND_BETA = 0.99
FREEZE_AT = 0.85
"""Progress at which the batch norms are settled and frozen: the rest of the run adapts the weights to them."""
_CLIP = 10.0
"""Maximum norm of a step's gradients."""


class Record(NamedTuple):
    """Measurements of one step."""

    step: int
    elapsed_s: float
    learning_rate: float
    loss: float
    classes: float
    boxes: float
    directions: float
    positives: int
    """Number of anchors with an object."""


class Trainer:
    """A network and the state of its optimizer."""

    def __init__(
        self, network: PointPillars, settings: TrainingSettings, device: torch.device, half: bool = False
    ) -> None:
        """Move `network` to `device`; with `half`, its convolutions are computed in bf16."""
        self.network = network.to(device)
        self.settings = settings
        self.optimizer = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.step = 0
        self.elapsed_s = 0.0
        self.frozen = False
        """Whether batch norms stay as they are."""
        self._device = device
        self._half = half

    @property
    def progress(self) -> float:
        """Progress of the run, 0 to 1."""
        if self.settings.minutes:
            return min(1.0, self.elapsed_s / (60.0 * self.settings.minutes))
        return min(1.0, self.step / self.settings.steps)

    def run(self, batches: Iterator[Sequence[Sample]], shape: tuple[int, int]) -> Iterator[Record]:
        """Train to the end of the run and yield a record per step; `shape` are rows and columns of the canvases."""
        begin = time.monotonic() - self.elapsed_s
        while self.progress < 1.0:
            batch = next(batches)
            self.elapsed_s = time.monotonic() - begin
            record = self.advance(batch, shape)
            self.elapsed_s = time.monotonic() - begin
            yield record._replace(elapsed_s=round(self.elapsed_s, 3))

    def advance(self, samples: Sequence[Sample], shape: tuple[int, int]) -> Record:
        """Take one step; TrainingError if the loss is not finite, in which case the network is unchanged."""
        pace = one_cycle(self.progress, self.settings.learning_rate)
        for group in self.optimizer.param_groups:
            group["lr"], group["betas"] = pace.learning_rate, (pace.momentum, _SECOND_BETA)
        cloud, answers = collate(samples, shape, self._device)
        self.network.train()
        if self.frozen:
            for norm in self._norms():
                norm.eval()
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            outputs = self.network(cloud)
        losses = compute_losses(outputs, answers)
        total = losses.total()
        loss = float(total.detach())
        if not math.isfinite(loss):
            raise TrainingError(f"the loss is {loss} in step {self.step + 1}; --learning-rate may be too high")
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), _CLIP)
        self.optimizer.step()
        self.step += 1
        classes, boxes, directions = (float(part.detach()) for part in losses)
        return Record(
            self.step, self.elapsed_s, pace.learning_rate, loss, classes, boxes, directions, len(answers.positives)
        )

    def settle(self, batches: Iterable[Sequence[Sample]], shape: tuple[int, int]) -> None:
        """Recompute the statistics of the batch norms as means over `batches`, and freeze them.

        Those gathered during training lag behind the weights. On empty canvas, which is most of it, that was seen to
        cause hundreds of false cars. Means over few scenes were seen to move all boxes up or down by 0.1 m, which
        training on with frozen norms corrects.
        """
        norms = self._norms()
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            # The plain mean of all batches.
            norm.momentum = None
        self.network.train()
        with torch.no_grad():
            for batch in batches:
                self.network(collate(batch, shape, self._device)[0])
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        self.frozen = True

    def _norms(self) -> list[_BatchNorm]:
        return [module for module in self.network.modules() if isinstance(module, _BatchNorm)]


def collate(samples: Sequence[Sample], shape: tuple[int, int], device: torch.device) -> tuple[Cloud, Answers]:
    """Concatenate samples whose crops have `shape` rows and columns; pillars, cells and anchors are renumbered."""
    rows, columns = shape
    anchors = len(samples[0].labels)
    first_pillars = np.cumsum([0, *(len(sample.cells) for sample in samples)])
    owners = [sample.owners + first for sample, first in zip(samples, first_pillars, strict=False)]
    cells = [sample.cells + k * rows * columns for k, sample in enumerate(samples)]
    positives = [sample.positives + k * anchors for k, sample in enumerate(samples)]

    def join(arrays: Sequence[np.ndarray]) -> torch.Tensor:
        return as_tensor(np.concatenate(arrays), device)

    cloud = Cloud(
        join([sample.decorated for sample in samples]),
        join(owners),
        join(cells),
        join([sample.is_full for sample in samples]),
        (len(samples), rows, columns),
    )
    answers = Answers(
        join([sample.labels for sample in samples]).long(),
        join(positives),
        join([sample.residuals for sample in samples]),
        join([sample.directions for sample in samples]),
    )
    return cloud, answers


def choose_device() -> torch.device:
    """Return the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def helps_half(device: torch.device) -> bool:
    """Whether bf16 is faster on the device: a CPU without instructions for it takes three times as long as in f32.

    Forward and backward of the bundled network on four quarter crops take 0.26 s in bf16 and 0.48 s in f32 with
    avx512_bf16 (two cores of an AMD EPYC).
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
    return not {"amx_bf16", "avx512_bf16"}.isdisjoint(flags)
