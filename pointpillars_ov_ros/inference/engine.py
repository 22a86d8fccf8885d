# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bundle ready to run: both networks compiled, every kernel and request warmed up."""

from __future__ import annotations

import atexit
import logging
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import openvino as ov

from pointpillars_ov_ros.clouds.level import Leveller
from pointpillars_ov_ros.clouds.points import clean_points
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.config.errors import InferenceError, OutputError, PointPillarsError
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.config.runtime_config import BottomChoice, LevelChoice, Mode, RuntimeConfig
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.scatter import CanvasFormat
from pointpillars_ov_ros.core.thresholds import override_thresholds
from pointpillars_ov_ros.core.verdict import NOT_CHECKED, Verdict
from pointpillars_ov_ros.inference.auto_move import cpu_alone, follow_auto, is_auto_beside_cpu, may_move
from pointpillars_ov_ros.inference.device.compile_cache import CompileCache
from pointpillars_ov_ros.inference.device.devices import fit_to_machine, is_cpu_alone
from pointpillars_ov_ros.inference.device.network import Network
from pointpillars_ov_ros.inference.device.properties import pfe_properties, rpn_properties, rpn_rewriting
from pointpillars_ov_ros.inference.device.setting_warnings import costs
from pointpillars_ov_ros.inference.pipeline.frames import FrameResult, StageEvent
from pointpillars_ov_ros.inference.pipeline.pipeline import STUCK_TIMEOUT_S, Pipeline
from pointpillars_ov_ros.inference.pipeline.scheduler import Slot
from pointpillars_ov_ros.inference.slot.encoder_choice import EncoderFactory
from pointpillars_ov_ros.inference.slot.frame_slot import FrameSlot
from pointpillars_ov_ros.inference.slot.slot_bound import bound_slots
from pointpillars_ov_ros.inference.slot.slot_pool import SlotPool
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.model.lean_rpn import make_lean
from pointpillars_ov_ros.model.ports import first_line, rpn_ports

log = logging.getLogger(__name__)

_SLOT_MAKERS: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
FAILURES_IN_A_ROW = 3
"""Clouds that fail one after the other before another device is asked for."""
_EXIT_WAIT_S = 1.0
"""How long the end of the process waits for each of them; on a dead device one may never return."""


@atexit.register
def _await_slot_makers() -> None:
    """Wait for threads to return from OpenVINO: one that returns while Python shuts down aborts the process."""
    for thread in tuple(_SLOT_MAKERS):
        thread.join(_EXIT_WAIT_S)


class Engine:
    """The two compiled networks of a bundle and the frame slots of the chosen mode."""

    stuck_timeout_s = STUCK_TIMEOUT_S
    """Limit for pipelines opened on it; see `Pipeline`."""

    def __init__(self, bundle: ModelBundle, runtime: RuntimeConfig) -> None:
        """Compile and warm up; BundleError, InferenceError or ConfigError if that is not possible."""
        begin = time.monotonic()
        runtime, self._reductions = fit_to_machine(runtime)
        cache = CompileCache(runtime.cache_dir)
        runtime = cache.settings(runtime)
        self.bundle = bundle
        self.config: ModelConfig = bundle.config
        self.runtime = runtime
        """Settings as requested, without devices that are not available."""
        self.settings = override_thresholds(bundle.config, runtime)
        config = bundle.config
        self._clearance = choose_clearance(config.postprocess.ground_clearance, runtime.box_bottoms)
        self._points, _ = clean_points(warm_up_cloud(config), 1.0)
        self.parity = Verdict(NOT_CHECKED, "parity not checked, since parity_check is false")
        """Result of the parity check, set by whoever checks the engine."""
        self.encoders = EncoderFactory(bundle, runtime, pfe_properties(runtime), self._points)
        cache.sign()
        self._canvas = CanvasFormat()
        self.is_lean = runtime.lean_rpn and is_cpu_alone(runtime.rpn_device)
        """Whether the RPN's graph is made lean; only on the CPU, the one device where it was measured and checked."""
        path = bundle.path(config.rpn.file)
        self.rpn = Network(
            path,
            runtime.rpn_device,
            rpn_properties(runtime, path),
            rpn_ports(config),
            rewrite=self._make_lean if self.is_lean else rpn_rewriting(runtime, path),
        )
        self._cache = cache
        # What AUTO compiles in the background is recorded when that has ended; see `settle`.
        cache.sign("" if self.rpn.was_cached or self.rpn.is_provisional else "RPN")
        self._bound = bound_slots(self.rpn, self._slot_bytes())
        self._pool = SlotPool(self._make_slot, self._warm_up, self._bound.at_once)
        self.leveller = Leveller(config.sensor.height) if runtime.level is LevelChoice.ESTIMATE else None
        """Leveller of all its pipelines; the caller informs it of the clouds' times and of jumps to another place."""
        if self.leveller is not None:
            # Compiled now, and not while the first cloud waits.
            Transform.identity().move(self._points.copy())
        self._pipeline: Pipeline | None = None
        self._changing = threading.RLock()
        self._pool.slots_of(runtime.mode)
        self._left_behind: tuple[str, ...] = ()
        self.fallback: RuntimeConfig | None = None
        """Engine to run instead; set if `on_mismatch` asks for another one while this one runs, or if it fails."""
        self._failures = 0
        self.must_stop = False
        """Whether `on_mismatch` forbids further detections with this engine."""
        self.warnings: tuple[str, ...] = ()
        """Warnings about the devices: lists that were reduced, and settings that cost time."""
        self._warn()
        self.load_s = time.monotonic() - begin
        self._after_move: Callable[[Engine], None] | None = None
        self.is_moving = may_move(runtime.rpn_device, self.rpn, self.networks)
        """Whether AUTO may still move the networks to the device that it prefers."""
        if self.is_moving:
            follow_auto(self)

    @property
    def slots(self) -> list[FrameSlot]:
        """All slots made so far."""
        return self._pool.slots

    @property
    def hung_slots(self) -> list[FrameSlot]:
        """Slots whose inference was given up, and which the device has not returned since."""
        return self._pool.hung

    def open_pipeline(
        self, on_result: Callable[[FrameResult], None], on_event: Callable[[StageEvent], None] | None = None
    ) -> Pipeline:
        """Start a pipeline, one at a time. See `Pipeline` for the two callbacks.

        Raises InferenceError if a device has not returned the slots of an earlier pipeline.
        """
        with self._changing:
            runtime = self.runtime
            self._warn()
            if self.leveller is not None:
                self.leveller.reset()
            self._pipeline = Pipeline(
                self._pool.slots_of(runtime.mode),
                runtime.mode,
                runtime.drop_policy,
                self.settings,
                partial(self._pass_on, on_result) if self._may_use_cpu else on_result,
                stage_timeout_s=runtime.inference_timeout or None,
                stuck_timeout_s=self.stuck_timeout_s,
                on_event=on_event,
                on_hung=self._on_hung,
                leveller=self.leveller,
            )
            return self._pipeline

    def set_mode(self, mode: Mode) -> None:
        """Change the mode, also of an open pipeline, from any thread but the pipeline's own; this takes a moment.

        Raises InferenceError if too many slots hang; the mode is unchanged then.
        """
        with self._changing:
            slots = self._pool.slots_of(mode)
            if self._pipeline is not None:
                self._pipeline.set_mode(mode, slots)
            self.runtime = replace(self.runtime, mode=mode)
            self._warn()

    def warm_up(self) -> list[float]:
        """Let every slot of the mode infer once, and return the durations (s); nothing else runs meanwhile.

        Raises InferenceError if it fails or a pipeline is open.
        """
        with self._changing:
            if self._pipeline is not None and not self._pipeline.is_closed:
                raise InferenceError("clouds are being processed, which keeps the networks warm")
            times = [time.monotonic()]
            for slot in self._pool.slots_of(self.runtime.mode):
                self._warm_up(slot)
                times.append(time.monotonic())
            return [end - begin for begin, end in pairwise(times)]

    @property
    def networks(self) -> list[Network]:
        """Networks compiled for a device."""
        return [network for network in (self.encoders.network, self.rpn) if network is not None]

    def make_spare_slot(self) -> FrameSlot:
        """Return a slot that no pipeline uses, for an inference beside those of clouds."""
        return self._make_slot()

    def call_after_move(self, call: Callable[[Engine], None]) -> None:
        """Call a function with this engine once AUTO leaves the networks where they are; on some thread, or at once."""
        with self._changing:
            if self.is_moving:
                self._after_move = call
                return
        call(self)

    def settle(self) -> None:
        """Act on the end of AUTO's background compilation: sign it, recount the slots, report failures."""
        is_reached = self.rpn.preferred_device in self.rpn.execution_devices
        self._cache.sign("RPN" if is_reached and not self.rpn.was_cached else "")
        if not is_reached:
            self._left_behind = (self._why_left_behind(),)
        with self._changing:
            self._bound = bound_slots(self.rpn, self._slot_bytes())
            self._pool.rpns_at_once = self._bound.at_once
            try:
                self.set_mode(self.runtime.mode)
            except PointPillarsError as error:
                log.error("%s", error)
            self.is_moving, call = False, self._after_move
        if call is not None:
            call(self)

    def _why_left_behind(self) -> str:
        """Explain why AUTO did not reach its preferred device, which AUTO does not report, by compiling for it once."""
        wanted, found = self.rpn.preferred_device, ", ".join(self.rpn.execution_devices)
        path, alone = self.bundle.path(self.config.rpn.file), replace(self.runtime, rpn_device=wanted)
        try:
            Network(path, wanted, rpn_properties(alone, path), rpn_ports(self.config))
            reason = f"compiling for {wanted} alone works"
        except PointPillarsError as error:
            reason = str(error)
        return f"rpn_device: {self.runtime.rpn_device} stays on {found}, since {wanted} was not reached: {reason}"

    @property
    def _may_use_cpu(self) -> bool:
        return is_auto_beside_cpu(self.runtime.rpn_device, self.rpn)

    def _pass_on(self, on_result: Callable[[FrameResult], None], result: FrameResult) -> None:
        """Deliver a result, and ask for the CPU if AUTO's device fails and AUTO does not move back by itself.

        AUTO does if it began on the CPU. From a cache it begins on the preferred device, and has no other network.
        """
        self._failures = self._failures + 1 if result.error else 0
        if self._failures == FAILURES_IN_A_ROW and self.fallback is None:
            where = ", ".join(self.rpn.execution_devices)
            log.error("%d clouds in a row failed on %s (%s): switching to the CPU", self._failures, where, result.error)
            self.fallback = cpu_alone(self.runtime)
        on_result(result)

    def _slot_bytes(self) -> int:
        pfe = self.encoders.network
        return self.rpn.request_bytes + (0 if pfe is None else pfe.request_bytes)

    def effective_settings(self) -> dict[str, dict[str, str]]:
        """Return the settings that the networks run with, read back from them."""
        pfe = self.encoders.network
        host = {"EXECUTION_DEVICES": "host", "INFERENCE_PRECISION_HINT": "f32"}
        return {"pfe": host if pfe is None else pfe.effective_settings(), "rpn": self.rpn.effective_settings()}

    def _warn(self) -> None:
        """Update the warnings, and log new ones: tools show them on stderr."""
        before = self.warnings
        self.warnings = (
            *self._reductions,
            *self._left_behind,
            *([self._bound.reason] if self._bound.reason and self.runtime.mode is Mode.THROUGHPUT else []),
            *costs(self.runtime, self.rpn, self.encoders.network),
        )
        for warning in self.warnings:
            if warning not in before:
                log.warning("%s", warning)

    def _make_lean(self, model: ov.Model) -> ov.Model:
        lean = make_lean(model)
        self._canvas = lean.canvas
        return lean.model

    def _make_slot(self) -> FrameSlot:
        try:
            return FrameSlot(self.config, self.encoders.make(), self.rpn, self._canvas, self._clearance)
        except RuntimeError as error:
            raise InferenceError(f"no request could be made: {first_line(error)}") from None

    def _warm_up(self, slot: FrameSlot) -> None:
        try:
            slot.detect(self._points, self.settings)
        except OutputError:
            # The parity check reports it, too, and the user has chosen what happens then.
            if not self.runtime.parity_check:
                raise

    def _on_hung(self, hung: list[Slot]) -> None:
        self._pool.note_hung(hung)
        # On another thread than the host's, which a device that blocks even new requests must not stop.
        thread = threading.Thread(target=self._use_others, name="pointpillars-slots", daemon=True)
        _SLOT_MAKERS.add(thread)
        thread.start()

    def _use_others(self) -> None:
        """Replace slots that hang, so that the mode has its number of slots again."""
        with self._changing:
            if self._pipeline is None or self._pipeline.is_closed:
                return
            try:
                self.set_mode(self.runtime.mode)
            except PointPillarsError as error:
                log.error("%s", error)


def choose_clearance(of_bundle: float | None, choice: BottomChoice) -> float | None:
    """Return the clearance of boxes above the ground (m) that the user has chosen; None: the ground is not used."""
    if choice is BottomChoice.MODEL:
        return of_bundle
    return None if choice is BottomChoice.NETWORK else of_bundle or 0.0


def warm_up_cloud(config: ModelConfig, points: int = 20_000, seed: int = 0) -> FloatArray:
    """Return a cloud (points, 4) spread evenly over the detection range."""
    grid = config.grid
    low = np.array([grid.x_range[0], grid.y_range[0], grid.z_range[0], 0.0])
    high = np.array([grid.x_range[1], grid.y_range[1], grid.z_range[1], 1.0])
    return np.random.default_rng(seed).uniform(low, high, (points, 4)).astype(np.float32)
