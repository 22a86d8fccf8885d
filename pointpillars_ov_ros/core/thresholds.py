# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Choice of the scores that boxes are selected by: the user's, or the model's own."""

from __future__ import annotations

from dataclasses import replace

from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.config.model_config import ClassThreshold, ModelConfig, PostprocessConfig
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig


def override_thresholds(config: ModelConfig, runtime: RuntimeConfig) -> PostprocessConfig:
    """Return the model's thresholds, replaced by those of `runtime` that are set.

    The most specific value wins: that of the class, then `score_threshold`, then the model's own publishing threshold.
    Raises ConfigError if a class is not one of the model's.
    """
    settings, scores = config.postprocess, runtime.class_scores
    for name in scores:
        if name not in config.classes:
            raise ConfigError(
                f"class_score_thresholds: the model has no class {name!r}; its classes are {', '.join(config.classes)}"
            )
    own = () if runtime.score_threshold else settings.publish
    named = tuple(ClassThreshold(name, score) for name, score in scores.items())
    return replace(
        settings,
        score_threshold=runtime.score_threshold or settings.score_threshold,
        nms_threshold=runtime.nms_threshold or settings.nms_threshold,
        publish=(*named, *(threshold for threshold in own if threshold.class_name not in scores)),
    )


def keep_all(settings: PostprocessConfig) -> PostprocessConfig:
    """Return thresholds that keep everything an evaluation needs, not only what is published."""
    return replace(settings, publish=())
