# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Post-training quantization of a bundle's networks to INT8, with NNCF."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import openvino as ov

from pointpillars_ov_ros.config.errors import BundleError, DatasetError, PointPillarsError, count_of, require
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.conversion.inspection import find_layers, is_quantized
from pointpillars_ov_ros.model.bundle import ModelBundle, write_bundle
from pointpillars_ov_ros.model.graph import find
from pointpillars_ov_ros.model.ports import first_line, pfe_ports, read_model, rpn_ports
from pointpillars_ov_ros.quantization.check import Agreement
from pointpillars_ov_ros.quantization.data import CanvasMaker, Cloud, PfeInputMaker
from pointpillars_ov_ros.quantization.layers import find_front, find_ignored

_PFE_BLOCK = 1000
"""Number of pillars per cloud that the PFE is calibrated with: all 12000 would take 307 MB for one layer."""


class Preset(str, Enum):
    """How NNCF chooses the ranges of activations."""

    PERFORMANCE = "performance"
    """Symmetric around 0, or from 0 up."""
    MIXED = "mixed"
    """From the minimum to the maximum: finer, but slower on some devices."""


class Ranges(str, Enum):
    """How the ranges of activations follow from the calibration clouds."""

    WIDEST = "widest"
    """The maximum over all clouds, which preserves the heights of cars better on real clouds."""
    MEAN = "mean"
    """The mean over the clouds of the maximum of each, NNCF's default."""


class Part(str, Enum):
    """A network of a bundle."""

    PFE = "pfe"
    RPN = "rpn"

    def file(self, config: ModelConfig) -> str:
        """Return the name of its IR file."""
        return config.pfe.file if self is Part.PFE else config.rpn.file


@dataclass(frozen=True)
class QuantizationSettings:
    """What to quantize, and how."""

    parts: tuple[Part, ...] = (Part.RPN,)
    preset: Preset = Preset.PERFORMANCE
    ranges: Ranges = Ranges.WIDEST
    ignored: tuple[str, ...] = ()
    """Layers that stay float, by their name or by the name of an output that they make."""
    max_drop: float | None = None
    """Maximum loss of agreement with the detections before; layers of the RPN return to float until it is met."""

    def __post_init__(self) -> None:
        """Check the values; ConfigError names field and value."""
        fits = self.max_drop is None or 0.0 <= self.max_drop < 1.0
        require(fits, "max_drop", self.max_drop, "in [0, 1), a ratio of all detections")
        require(len(self.parts) > 0, "parts", self.parts, "at least one network")


class Clouds(NamedTuple):
    """Clouds that networks are quantized with."""

    calibration: Sequence[Cloud]
    checks: Sequence[Cloud]
    """Clouds that `QuantizationSettings.max_drop` is measured on."""
    origin: str
    """Where the clouds are from, for the bundle's provenance."""


def load_nncf() -> Any:
    """Import NNCF; PointPillarsError if it is not installed."""
    # Otherwise it reports every use to its makers: the only switch that is not a file in the user's home.
    os.environ.setdefault("NNCF_CI", "1")
    try:
        import nncf
    except ModuleNotFoundError as error:
        if error.name != "nncf":
            raise
        raise PointPillarsError(
            "the Python module nncf is missing, which only quantize needs: `pip install nncf` "
            "into the environment of pointpillars_ov_ros"
        ) from None
    nncf.set_log_level(logging.ERROR)
    return nncf


def read_float_model(bundle: ModelBundle, part: Part) -> ov.Model:
    """Read a network that is to be quantized; BundleError if it already is."""
    config, path = bundle.config, bundle.path(part.file(bundle.config))
    ports = pfe_ports(config, config.grid.max_pillars) if part is Part.PFE else rpn_ports(config)
    model = read_model(ov.Core(), path, ports)
    if is_quantized(model):
        layers = len(find(model, "FakeQuantize"))
        raise BundleError(
            f"{path.name} of {config.name} is already quantized (it has {layers} FakeQuantize layers): "
            "pass the float network that it was made from"
        )
    return model


def quantize_bundle(bundle: ModelBundle, settings: QuantizationSettings, clouds: Clouds, scratch: Path) -> ModelBundle:
    """Quantize networks of `bundle`, and write the new bundle to `scratch`/bundle.

    Raises BundleError, DatasetError or PointPillarsError if that is not possible.
    """
    nncf = load_nncf()
    models = {part: read_float_model(bundle, part) for part in settings.parts}
    ignored = find_ignored(models, settings.ignored)
    files = {name: bundle.path(name) for name in bundle.config.sha256}
    for part, model in models.items():
        file = part.file(bundle.config)
        try:
            make = _quantize_pfe if part is Part.PFE else _quantize_rpn
            made = make(nncf, bundle, model, settings, ignored[part], clouds)
        except (RuntimeError, nncf.InternalError, nncf.ValidationError, nncf.UnsupportedModelError) as error:
            raise BundleError(f"NNCF cannot quantize {bundle.path(file)}: {first_line(error)}") from None
        if not is_quantized(made):
            limit = "" if settings.max_drop is None else f" within a drop of {settings.max_drop:g}"
            raise BundleError(f"{bundle.path(file)} has no layer left to quantize{limit}")
        # Uncompressed: in f16, the limits of FakeQuantize would be hidden behind a conversion.
        ov.save_model(made, scratch / file, compress_to_fp16=False)
        for path in (scratch / file, (scratch / file).with_suffix(".bin")):
            files[path.name] = path
    config = dataclasses.replace(
        bundle.config,
        name=f"{bundle.config.name}_int8",
        provenance=_provenance(nncf.__version__, bundle.config, settings, clouds),
    )
    return write_bundle(config, files, scratch / "bundle")


def _quantize_rpn(
    nncf: Any,
    bundle: ModelBundle,
    model: ov.Model,
    settings: QuantizationSettings,
    ignored: list[str],
    clouds: Clouds,
) -> ov.Model:
    """Quantize the RPN, with accuracy control if a maximum drop is set."""
    maker = CanvasMaker(bundle)
    arguments = _arguments(nncf, settings, ignored, clouds)
    calibration = nncf.Dataset(clouds.calibration, maker.make)
    if settings.max_drop is None:
        made = nncf.quantize(model, calibration, **arguments)
    else:
        advanced = arguments.pop("advanced_parameters")
        made = nncf.quantize_with_accuracy_control(
            model,
            calibration,
            nncf.Dataset(range(len(clouds.checks))),
            Agreement(bundle, model, clouds.checks).measure,
            max_drop=settings.max_drop,
            advanced_quantization_parameters=advanced,
            # All clouds share one canvas.
            advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(num_ranking_workers=1),
            **arguments,
        )
    _check_seen(maker, bundle, clouds)
    return made


def _quantize_pfe(
    nncf: Any,
    bundle: ModelBundle,
    model: ov.Model,
    settings: QuantizationSettings,
    ignored: list[str],
    clouds: Clouds,
) -> ov.Model:
    """Quantize what follows the PFE's linear layer."""
    config, layers = bundle.config, find_layers(model)
    if len(layers) < 2:
        raise BundleError(
            f"{bundle.path(config.pfe.file)} has {len(layers)} layer with weights, which takes both metres and "
            "centimetres and stays float, so there is nothing to quantize"
        )
    block = min(_PFE_BLOCK, config.grid.max_pillars)
    model.reshape(pfe_ports(config, block).inputs)
    maker = PfeInputMaker(config, block)
    arguments = _arguments(nncf, settings, sorted({*find_front(model), *ignored}), clouds)
    made = nncf.quantize(model, nncf.Dataset(clouds.calibration, maker.make), **arguments)
    _check_seen(maker, bundle, clouds)
    made.reshape(pfe_ports(config, config.grid.max_pillars).inputs)
    return made


def _arguments(nncf: Any, settings: QuantizationSettings, ignored: list[str], clouds: Clouds) -> dict[str, Any]:
    estimators = nncf.quantization.range_estimator.RangeEstimatorParametersSet
    is_widest = settings.ranges is Ranges.WIDEST
    return {
        "advanced_parameters": nncf.AdvancedQuantizationParameters(
            activations_range_estimator_params=estimators.MINMAX if is_widest else estimators.MEAN_MINMAX
        ),
        "preset": nncf.QuantizationPreset(settings.preset.value),
        "subset_size": len(clouds.calibration),
        "ignored_scope": nncf.IgnoredScope(names=ignored) if ignored else None,
    }


def _check_seen(maker: CanvasMaker | PfeInputMaker, bundle: ModelBundle, clouds: Clouds) -> None:
    """Raise DatasetError if there was nothing to calibrate with."""
    if not maker.pillars_seen:
        count, name = count_of(len(clouds.calibration), "cloud"), bundle.config.name
        raise DatasetError(f"{clouds.origin}: none of {count} has a point in the range of {name}")


def _provenance(version: str, config: ModelConfig, settings: QuantizationSettings, clouds: Clouds) -> str:
    """Describe what was done to which file, after what the bundle says about itself."""
    weights = [str(Path(part.file(config)).with_suffix(".bin")) for part in settings.parts]
    sources = " and ".join(f"{name} (sha256 {config.sha256[name]})" for name in weights)
    details = [f"preset {settings.preset.value}, ranges {settings.ranges.value}"]
    if settings.ignored:
        details.append(f"left float: {', '.join(settings.ignored)}")
    if settings.max_drop is not None:
        details.append(f"maximum drop {settings.max_drop:g}")
    details.append(f"calibrated with {count_of(len(clouds.calibration), 'cloud')} of {clouds.origin}")
    done = f"{sources} quantized to INT8 by NNCF {version} ({'; '.join(details)})"
    return "; ".join(filter(None, [config.provenance, done]))
