# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Owner of an engine: accepts clouds, and can replace the engine between two of them."""

from __future__ import annotations

import ctypes
import gc
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pointpillars_ov_ros.config.errors import PointPillarsError
from pointpillars_ov_ros.config.runtime_config import DropPolicy, RuntimeConfig
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.core.thresholds import override_thresholds
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.pipeline.frames import Counts, FrameResult, StageTimes
from pointpillars_ov_ros.inference.pipeline.pipeline import CLOSE_TIMEOUT_S, Pipeline
from pointpillars_ov_ros.inference.trace.writer import TraceRecorder, open_trace

log = logging.getLogger(__name__)


class ReloadableDetector:
    """An engine, the pipeline open on it, and the counts of all pipelines so far.

    Used from one thread; results arrive on the pipelines' threads.
    """

    def __init__(self, engine: Engine, on_result: Callable[[FrameResult], None]) -> None:
        """Start without a pipeline; results passed to `on_result` carry the counts of all pipelines."""
        self.engine = engine
        self._on_result = on_result
        self._runtime = engine.runtime
        """Settings most recently requested."""
        self._pipeline: Pipeline | None = None
        self._leaving: Pipeline | None = None
        self._trace: TraceRecorder | None = None
        self._earlier = Counts()
        self._counting, self._switching = threading.Lock(), threading.Lock()

    @property
    def is_open(self) -> bool:
        """Whether clouds are accepted."""
        return self._pipeline is not None

    @property
    def policy(self) -> DropPolicy:
        """What happens to clouds that arrive too fast."""
        return self._runtime.drop_policy

    @property
    def counts(self) -> Counts:
        """Counts over all pipelines."""
        with self._counting:
            total = self._earlier
            for pipeline in (self._leaving, self._pipeline):
                total = total if pipeline is None else total.plus(*pipeline.counts)
            return total

    def open(self, runtime: RuntimeConfig, record_trace: str = "") -> None:
        """Accept clouds from now on; raises ConfigError or InferenceError if that is not possible."""
        self._runtime = runtime
        try:
            self._trace = open_trace(record_trace, self.engine)
            self._pipeline = _open_pipeline(self.engine, runtime, self._deliver, self._trace)
        except PointPillarsError:
            self._close_trace()
            raise

    def submit(self, points: FloatArray, token: Any, times: StageTimes) -> None:
        """Submit a cloud; see `Pipeline.submit`."""
        assert self._pipeline is not None
        self._pipeline.submit(points, token, times)

    def change(self, runtime: RuntimeConfig) -> None:
        """Apply changes of settings while clouds arrive: thresholds and policy at once, the mode shortly after."""
        self._runtime = runtime
        if self._pipeline is None:
            return
        _set_thresholds(self.engine, runtime)
        self._pipeline.settings = self.engine.settings
        self._pipeline.set_policy(runtime.drop_policy)
        # On another thread: making another slot takes a moment, and clouds must not wait meanwhile.
        threading.Thread(target=self._switch_mode, daemon=True).start()

    def replace(self, engine: Engine, on_replaced: Callable[[], None]) -> None:
        """Send every cloud from now on to `engine`; its results wait until the last one of the old engine has left.

        `on_replaced` is called in between, on some thread. A trace ends with its engine. Raises InferenceError if a
        pipeline cannot be opened on `engine`; nothing has changed then.
        """
        if self._pipeline is None:
            self.engine = engine
            on_replaced()
            return
        replaced = threading.Event()

        def deliver_later(result: FrameResult) -> None:
            replaced.wait()
            self._deliver(result)

        def retire() -> None:
            # Whatever fails here, the results of the new engine must not wait for ever.
            try:
                self._retire()
            except Exception:
                log.exception("the pipeline of the replaced engine could not be closed")
            try:
                on_replaced()
            except Exception:
                log.exception("the new engine could not be announced")
            finally:
                replaced.set()
            give_back_memory()

        pipeline = _open_pipeline(engine, self._runtime, deliver_later)
        with self._counting:
            self._leaving, self._pipeline, self.engine = self._pipeline, pipeline, engine
        threading.Thread(target=retire, name="pointpillars-retire", daemon=True).start()

    def close(self) -> None:
        """Accept no more clouds, and deliver the results of those in flight."""
        if self._pipeline is not None:
            # This also waits for a pipeline that is leaving: its results come first.
            self._pipeline.close()
            with self._counting:
                self._earlier, self._pipeline = self._earlier.plus(*self._pipeline.counts), None
        self._close_trace()

    def _deliver(self, result: FrameResult) -> None:
        self._on_result(replace(result, counts=self._earlier.plus(*result.counts)))

    def _retire(self) -> None:
        """Deliver all results of the old pipeline, including that of the cloud that waits in it."""
        leaving = self._leaving
        assert leaving is not None
        try:
            if not leaving.is_stuck:
                leaving.drain(CLOSE_TIMEOUT_S)
            leaving.close()
        finally:
            with self._counting:
                self._earlier, self._leaving = self._earlier.plus(*leaving.counts), None
            self._close_trace()

    def _close_trace(self) -> None:
        if self._trace is not None:
            trace, self._trace = self._trace, None
            trace.close()

    def _switch_mode(self) -> None:
        """Switch to the mode most recently requested, which a later change may have replaced."""
        with self._switching:
            engine, mode = self.engine, self._runtime.mode
            if mode is engine.runtime.mode:
                return
            try:
                engine.set_mode(mode)
            except PointPillarsError as error:
                log.error("still in %s mode: %s", engine.runtime.mode.value, error)
            else:
                log.info("switched to %s mode", mode.value)


def _set_thresholds(engine: Engine, runtime: RuntimeConfig) -> None:
    engine.settings = override_thresholds(engine.config, runtime)


def _open_pipeline(
    engine: Engine, runtime: RuntimeConfig, on_result: Callable[[FrameResult], None], trace: TraceRecorder | None = None
) -> Pipeline:
    """Open a pipeline with the settings that may have changed since the engine was made."""
    _set_thresholds(engine, runtime)
    engine.runtime = replace(engine.runtime, mode=runtime.mode, drop_policy=runtime.drop_policy)
    return engine.open_pipeline(on_result, trace)


def give_back_memory() -> None:
    """Return unused memory to the system at once."""
    # Pools and their callbacks reference each other.
    gc.collect()
    # glibc keeps freed memory; other C libraries lack this function.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
