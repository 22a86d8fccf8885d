# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pipeline over a fake device: order, counts, failures and the end, in every mode."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from pointpillars_ov_ros.config.errors import ConfigError, InferenceError
from pointpillars_ov_ros.config.model_config import PostprocessConfig
from pointpillars_ov_ros.config.runtime_config import DropPolicy, Mode
from pointpillars_ov_ros.inference.pipeline.frames import Counts, FrameResult, Stage, StageEvent, StageTimes
from pointpillars_ov_ros.inference.pipeline.pipeline import Pipeline
from pointpillars_ov_ros.inference.pipeline.scheduler import SCHEDULES, Slot
from test.inference.fake_slot import PATIENCE_S, FakeDevice, FakeSlot, Inference, Received, Run, cloud

SETTINGS = PostprocessConfig(0.3, 0.1, 10, 10)
STEPS = ("prepare", "start_pfe", "scatter", "start_rpn", "decode")
every_mode = pytest.mark.parametrize("mode", Mode)


def make_pipeline(
    device: FakeDevice, received: Received, mode: Mode, policy: DropPolicy = DropPolicy.REPLAY
) -> Pipeline:
    slots = [FakeSlot(device) for _ in range(SCHEDULES[mode].slots)]
    return Pipeline(slots, mode, policy, SETTINGS, received)


@contextlib.contextmanager
def closing(pipeline: Pipeline) -> Iterator[Pipeline]:
    """Close the pipeline at the end of a test that has finished all its frames."""
    try:
        yield pipeline
    finally:
        closer = in_thread(pipeline.close)
        closer.join(PATIENCE_S)
        assert not closer.is_alive()


def in_thread(target: object, *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
    thread.start()
    return thread


def wait_until(condition: Callable[[], bool]) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.005)


def submit(pipeline: Pipeline, *numbers: int) -> None:
    for number in numbers:
        assert pipeline.submit(cloud(number), f"token {number}")


def numbers_of(results: list[FrameResult]) -> list[int]:
    """Return the numbers of the clouds that the detections come from; -1 for a failed frame."""
    return [int(result.detections.boxes[0, 0]) if len(result.detections) else -1 for result in results]


@every_mode
def test_every_cloud_gives_its_own_result_in_the_order_of_input(mode: Mode) -> None:
    received = Received()
    with closing(make_pipeline(FakeDevice(automatic=True), received, mode)) as pipeline:
        submit(pipeline, *range(100))
        assert pipeline.drain(PATIENCE_S)
    assert [result.sequence for result in received.results] == list(range(100))
    assert numbers_of(received.results) == list(range(100))
    assert [result.token for result in received.results] == [f"token {number}" for number in range(100)]
    assert [result.points for result in received.results] == list(range(1, 101))
    assert [result.pillars for result in received.results] == list(range(100))
    assert not any(result.error for result in received.results)
    assert pipeline.counts == Counts(submitted=100, completed=100)


@every_mode
@pytest.mark.parametrize("policy", DropPolicy)
def test_clouds_from_several_threads_are_all_accounted_for(policy: DropPolicy, mode: Mode) -> None:
    received = Received()
    with closing(make_pipeline(FakeDevice(automatic=True), received, mode, policy)) as pipeline:
        senders = [in_thread(submit, pipeline, *range(25)) for _ in range(4)]
        for sender in senders:
            sender.join(PATIENCE_S)
        assert pipeline.drain(PATIENCE_S)
        counts = pipeline.counts
    assert counts.submitted == 100
    assert counts.completed == len(received.results)
    assert counts.completed + counts.dropped == 100
    assert counts.pending == counts.failed == 0
    sequences = [result.sequence for result in received.results]
    assert sequences == sorted(set(sequences))
    assert policy is DropPolicy.LIVE or counts.dropped == 0


@every_mode
def test_every_result_carries_the_accounts_with_itself_included(mode: Mode) -> None:
    device, received = FakeDevice(automatic=True), Received()
    device.failures["decode", 2] = InferenceError("no luck")
    with closing(make_pipeline(device, received, mode)) as pipeline:
        submit(pipeline, *range(5))
        assert pipeline.drain(PATIENCE_S)
    ended = [(result.counts.completed, result.counts.failed) for result in received.results]
    assert ended == [(1, 0), (2, 0), (2, 1), (3, 1), (4, 1)]
    assert all(result.counts.submitted > result.sequence for result in received.results)


@every_mode
def test_all_steps_are_done_by_one_host_thread(mode: Mode) -> None:
    device, received = FakeDevice(automatic=True), Received()
    with closing(make_pipeline(device, received, mode)) as pipeline:
        submit(pipeline, *range(20))
        assert pipeline.drain(PATIENCE_S)
    assert device.threads == {"pointpillars-host"}


@every_mode
def test_as_many_frames_are_in_flight_as_the_mode_has_slots(mode: Mode) -> None:
    device, received, slots = FakeDevice(), Received(), SCHEDULES[mode].slots
    with closing(make_pipeline(device, received, mode)) as pipeline:
        submit(pipeline, *range(slots))
        device.await_step("prepare", slots - 1)
        submit(pipeline, slots)
        assert ("prepare", slots) not in device.steps
        for number in range(slots + 1):
            device.finish_frame(number)
        assert numbers_of(received.await_count(slots + 1)) == list(range(slots + 1))


@every_mode
def test_a_result_leaves_without_another_cloud_coming(mode: Mode) -> None:
    device, received = FakeDevice(), Received()
    with closing(make_pipeline(device, received, mode)) as pipeline:
        submit(pipeline, 0)
        device.finish_frame(0)
        assert numbers_of(received.await_count(1)) == [0]


@every_mode
def test_live_the_newest_cloud_displaces_the_waiting_one_which_is_counted(mode: Mode) -> None:
    device, received, slots = FakeDevice(), Received(), SCHEDULES[mode].slots
    with closing(make_pipeline(device, received, mode, DropPolicy.LIVE)) as pipeline:
        for number in range(slots):
            submit(pipeline, number)
            device.await_step("prepare", number)
        submit(pipeline, 50, 51, 52)
        assert pipeline.counts == Counts(submitted=slots + 3, dropped=2)
        for number in (*range(slots), 52):
            device.finish_frame(number)
        results = received.await_count(slots + 1)
        assert pipeline.drain(PATIENCE_S)
    assert numbers_of(results) == [*range(slots), 52]
    assert [result.sequence for result in results] == [*range(slots), slots + 2]
    assert pipeline.counts == Counts(submitted=slots + 3, completed=slots + 1, dropped=2)


@every_mode
def test_replay_makes_the_sender_wait_until_there_is_room(mode: Mode) -> None:
    device, received, slots = FakeDevice(), Received(), SCHEDULES[mode].slots
    with closing(make_pipeline(device, received, mode)) as pipeline:
        submit(pipeline, *range(slots + 1))
        sender = in_thread(submit, pipeline, slots + 1)
        sender.join(0.05)
        assert sender.is_alive()
        assert pipeline.counts.submitted == slots + 1
        device.finish_frame(0)
        sender.join(PATIENCE_S)
        assert not sender.is_alive()
        for number in range(1, slots + 2):
            device.finish_frame(number)
        received.await_count(slots + 2)
        assert pipeline.drain(PATIENCE_S)
    assert pipeline.counts == Counts(submitted=slots + 2, completed=slots + 2)


@every_mode
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("failure", "message"),
    [(InferenceError("no luck"), "no luck"), (RuntimeError("boom"), "RuntimeError: boom")],
    ids=["known", "unknown"],
)
def test_a_failing_frame_is_reported_in_its_place_and_the_next_come_out_right(
    mode: Mode, step: str, failure: Exception, message: str
) -> None:
    device, received = FakeDevice(automatic=True), Received()
    device.failures[step, 3] = failure
    with closing(make_pipeline(device, received, mode)) as pipeline:
        submit(pipeline, *range(10))
        assert pipeline.drain(PATIENCE_S)
    assert [result.sequence for result in received.results] == list(range(10))
    assert numbers_of(received.results) == [0, 1, 2, -1, *range(4, 10)]
    assert [result.error for result in received.results] == ["", "", "", message, *[""] * 6]
    assert received.results[3].token == "token 3"
    assert pipeline.counts == Counts(submitted=10, completed=9, failed=1)


@pytest.mark.parametrize("step", STEPS)
def test_a_failure_without_a_message_is_a_failure(step: str) -> None:
    device, received = FakeDevice(automatic=True), Received()
    device.failures[step, 1] = InferenceError()
    with closing(make_pipeline(device, received, Mode.LATENCY)) as pipeline:
        submit(pipeline, 0, 1, 2)
        assert pipeline.drain(PATIENCE_S)
    assert pipeline.counts == Counts(submitted=3, completed=2, failed=1)
    assert received.results[1].error


@pytest.mark.parametrize("mode", [Mode.BALANCED, Mode.THROUGHPUT])
def test_a_frame_that_fails_early_waits_for_the_older_one(mode: Mode) -> None:
    device, received = FakeDevice(), Received()
    device.failures["prepare", 1] = InferenceError("bad cloud")
    with closing(make_pipeline(device, received, mode)) as pipeline:
        submit(pipeline, 0, 1, 2)
        device.await_step("prepare", 2)
        assert received.results == []
        device.finish_frame(0)
        device.finish_frame(2)
        assert numbers_of(received.await_count(3)) == [0, -1, 2]


@every_mode
@pytest.mark.parametrize("network", ["pfe", "rpn"])
def test_an_inference_that_fails_without_calling_done_is_reported(mode: Mode, network: str) -> None:
    device, received = FakeDevice(automatic=True), Received()
    device.silent.add(Inference(network, 1))
    with closing(make_pipeline(device, received, mode)) as pipeline:
        submit(pipeline, 0, 1, 2, 3)
        assert pipeline.drain(PATIENCE_S)
    assert numbers_of(received.results) == [0, -1, 2, 3]
    assert received.results[1].error == f"{network} failed: silently"
    assert pipeline.counts == Counts(submitted=4, completed=3, failed=1)


@every_mode
@pytest.mark.parametrize("network", ["pfe", "rpn"])
def test_an_inference_that_fails_without_calling_done_is_reported_however_fast_clouds_come(
    mode: Mode, network: str
) -> None:
    device, received = FakeDevice(automatic=True), Received()
    device.silent.add(Inference(network, 0))
    reported = threading.Event()

    def on_result(result: FrameResult) -> None:
        received(result)
        reported.set()

    slots = [FakeSlot(device) for _ in range(SCHEDULES[mode].slots)]
    with closing(Pipeline(slots, mode, DropPolicy.LIVE, SETTINGS, on_result)) as pipeline:
        for number in range(250):
            submit(pipeline, number)
            if reported.wait(0.02):
                break
        assert reported.is_set(), f"{pipeline.counts}: frame 0 was not reported while 250 clouds came at 50 Hz"
        assert received.results[0].error == f"{network} failed: silently"
        assert pipeline.drain(PATIENCE_S)


@every_mode
def test_done_called_late_for_an_inference_already_found_finished_is_passed_over(mode: Mode) -> None:
    device, received = FakeDevice(), Received()
    with closing(make_pipeline(device, received, mode)) as pipeline:
        submit(pipeline, 0)
        late = device.finish("pfe", 0, call_done=False)
        device.await_running("rpn", 0)
        late.done()
        late.done()
        device.finish("rpn", 0).done()
        late.done()
        submit(pipeline, 1)
        device.await_running("pfe", 1)
        late.done()
        device.finish_frame(1)
        results = received.await_count(2)
    assert numbers_of(results) == [0, 1]
    for number in (0, 1):
        assert [step for step, of in device.steps if of == number] == list(STEPS)


@every_mode
def test_close_finishes_the_frames_in_flight_and_drops_the_waiting_one(mode: Mode) -> None:
    device, received, slots = FakeDevice(), Received(), SCHEDULES[mode].slots
    pipeline = make_pipeline(device, received, mode)
    submit(pipeline, *range(slots))
    device.await_step("prepare", slots - 1)
    submit(pipeline, slots)
    closer = in_thread(pipeline.close)
    for number in range(slots):
        device.finish_frame(number)
    closer.join(PATIENCE_S)
    assert not closer.is_alive()
    assert numbers_of(received.results) == list(range(slots))
    assert pipeline.counts == Counts(submitted=slots + 1, completed=slots, dropped=1)


@every_mode
def test_close_reports_a_frame_in_flight_that_fails_without_calling_done(mode: Mode) -> None:
    device, received = FakeDevice(), Received()
    device.silent.add(Inference("rpn", 0))
    pipeline = make_pipeline(device, received, mode)
    submit(pipeline, 0)
    device.finish("pfe", 0)
    closer = in_thread(pipeline.close)
    closer.join(PATIENCE_S)
    assert not closer.is_alive()
    assert [result.error for result in received.results] == ["rpn failed: silently"]


@every_mode
def test_after_close_nothing_is_taken_any_more(mode: Mode) -> None:
    received = Received()
    pipeline = make_pipeline(FakeDevice(automatic=True), received, mode)
    pipeline.close()
    pipeline.close()
    assert pipeline.submit(cloud(0), None) is False
    assert pipeline.counts == Counts()
    assert received.results == []


@every_mode
def test_close_sends_a_waiting_sender_away(mode: Mode) -> None:
    device, received, slots = FakeDevice(), Received(), SCHEDULES[mode].slots
    pipeline = make_pipeline(device, received, mode)
    submit(pipeline, *range(slots))
    device.await_step("prepare", slots - 1)
    submit(pipeline, slots)
    answers: list[bool] = []
    sender = in_thread(lambda: answers.append(pipeline.submit(cloud(99), None)))
    closer = in_thread(pipeline.close)
    sender.join(PATIENCE_S)
    assert answers == [False]
    for number in range(slots):
        device.finish_frame(number)
    closer.join(PATIENCE_S)
    assert not closer.is_alive()
    assert pipeline.counts.submitted == slots + 1


@every_mode
def test_the_receiver_of_a_result_may_close_the_pipeline(mode: Mode) -> None:
    pipelines: list[Pipeline] = []
    closed = threading.Event()

    def on_result(_result: FrameResult) -> None:
        pipelines[0].close()
        closed.set()

    device = FakeDevice()
    slots = [FakeSlot(device) for _ in range(SCHEDULES[mode].slots)]
    pipelines.append(Pipeline(slots, mode, DropPolicy.LIVE, SETTINGS, on_result))
    submit(pipelines[0], 0)
    device.finish_frame(0)
    assert closed.wait(PATIENCE_S)
    assert pipelines[0].submit(cloud(1), None) is False


@every_mode
def test_a_receiver_that_raises_does_not_stop_the_pipeline(mode: Mode) -> None:
    received = Received()

    def on_result(result: FrameResult) -> None:
        received(result)
        if result.sequence % 2:
            raise RuntimeError("the receiver is broken")

    device = FakeDevice(automatic=True)
    slots = [FakeSlot(device) for _ in range(SCHEDULES[mode].slots)]
    with closing(Pipeline(slots, mode, DropPolicy.REPLAY, SETTINGS, on_result)) as pipeline:
        submit(pipeline, *range(10))
        assert pipeline.drain(PATIENCE_S)
    assert numbers_of(received.results) == list(range(10))
    assert pipeline.counts == Counts(submitted=10, completed=10)


def test_the_mode_is_changed_from_another_thread_while_clouds_come() -> None:
    device, received = FakeDevice(automatic=True), Received()
    slots = [FakeSlot(device) for _ in range(3)]
    with closing(Pipeline(slots, Mode.THROUGHPUT, DropPolicy.REPLAY, SETTINGS, received)) as pipeline:
        sender = in_thread(submit, pipeline, *range(300))
        changes = 0
        while sender.is_alive():
            mode = list(Mode)[changes % 3]
            pipeline.set_mode(mode, slots[: SCHEDULES[mode].slots])
            changes += 1
            sender.join(0.002)
        assert pipeline.drain(PATIENCE_S)
    assert changes > 2
    assert numbers_of(received.results) == list(range(300))
    assert pipeline.counts == Counts(submitted=300, completed=300)


def test_a_surplus_slot_finishes_its_frame_before_it_is_let_go() -> None:
    device, received = FakeDevice(), Received()
    slots = [FakeSlot(device) for _ in range(3)]
    with closing(Pipeline(slots, Mode.THROUGHPUT, DropPolicy.REPLAY, SETTINGS, received)) as pipeline:
        submit(pipeline, 0, 1, 2)
        device.await_step("prepare", 2)
        pipeline.set_mode(Mode.LATENCY, slots[:1])
        submit(pipeline, 3)
        for number in range(4):
            device.finish_frame(number)
        assert numbers_of(received.await_count(4)) == [0, 1, 2, 3]
        assert slots[0].pillars == 3


def test_a_sender_that_waits_in_replay_goes_on_when_the_policy_becomes_live() -> None:
    device, received = FakeDevice(), Received()
    with closing(make_pipeline(device, received, Mode.LATENCY)) as pipeline:
        submit(pipeline, 0)
        device.await_step("prepare", 0)
        submit(pipeline, 1)
        sender = in_thread(submit, pipeline, 2)
        sender.join(0.05)
        assert sender.is_alive()
        pipeline.set_policy(DropPolicy.LIVE)
        sender.join(PATIENCE_S)
        assert not sender.is_alive()
        assert pipeline.counts == Counts(submitted=3, dropped=1)
        device.finish_frame(0)
        device.finish_frame(2)
        assert numbers_of(received.await_count(2)) == [0, 2]


def test_a_sender_waits_as_soon_as_the_policy_becomes_replay() -> None:
    device, received = FakeDevice(), Received()
    with closing(make_pipeline(device, received, Mode.LATENCY, DropPolicy.LIVE)) as pipeline:
        submit(pipeline, 0)
        device.await_step("prepare", 0)
        submit(pipeline, 1, 2)
        pipeline.set_policy(DropPolicy.REPLAY)
        sender = in_thread(submit, pipeline, 3)
        sender.join(0.05)
        assert sender.is_alive()
        for number in (0, 2, 3):
            device.finish_frame(number)
        assert numbers_of(received.await_count(3)) == [0, 2, 3]
        assert pipeline.drain(PATIENCE_S)
    assert pipeline.counts == Counts(submitted=4, completed=3, dropped=1)


@every_mode
@pytest.mark.parametrize("network", ["pfe", "rpn"])
def test_an_inference_that_hangs_is_reported_and_its_slot_used_again_when_it_ends(mode: Mode, network: str) -> None:
    device, received = FakeDevice(), Received()
    slots = [FakeSlot(device) for _ in range(SCHEDULES[mode].slots)]
    reports: list[list[Slot]] = []
    with closing(
        Pipeline(slots, mode, DropPolicy.REPLAY, SETTINGS, received, stage_timeout_s=0.05, on_hung=reports.append)
    ) as pipeline:
        submit(pipeline, 0)
        if network == "rpn":
            device.finish("pfe", 0)
        (failed,) = received.await_count(1)
        assert failed.error == f"{network.upper()} did not end within 0.05 s"
        assert pipeline.hung_slots == [slots[0]]
        device.finish(network, 0)
        wait_until(lambda: not pipeline.hung_slots)
        wait_until(lambda: reports == [[slots[0]], []])
        for number in range(1, 5):
            submit(pipeline, number)
            device.finish_frame(number)
        received.await_count(5)
        assert pipeline.drain(PATIENCE_S)
    assert pipeline.counts == Counts(submitted=5, completed=4, failed=1)


def test_replay_makes_nobody_wait_for_long_where_all_slots_hang() -> None:
    """Whoever waits may be the thread that a process is ended by."""
    device, received = FakeDevice(), Received()
    arguments = ([FakeSlot(device)], Mode.LATENCY, DropPolicy.REPLAY, SETTINGS, received)
    with closing(Pipeline(*arguments, stage_timeout_s=0.05, stuck_timeout_s=0.05)) as pipeline:  # type: ignore[arg-type]
        submit(pipeline, 0, 1)
        sender = in_thread(submit, pipeline, 2, 3, 4)
        sender.join(PATIENCE_S)
        assert not sender.is_alive() and pipeline.is_stuck
        device.finish("pfe", 0)
        wait_until(lambda: not pipeline.is_stuck)
        device.finish_frame(4)
        assert numbers_of(received.await_count(2)[1:]) == [4]
    assert pipeline.counts == Counts(submitted=5, completed=1, failed=1, dropped=3)


def test_a_slot_that_takes_the_place_of_one_that_hangs_gets_the_cloud_that_waits() -> None:
    device, received = FakeDevice(), Received()
    slots = [FakeSlot(device), FakeSlot(device)]
    arguments = (slots[:1], Mode.LATENCY, DropPolicy.REPLAY, SETTINGS, received)
    with closing(Pipeline(*arguments, stage_timeout_s=0.05, stuck_timeout_s=0.05)) as pipeline:  # type: ignore[arg-type]
        submit(pipeline, 0, 1)
        wait_until(lambda: pipeline.is_stuck)
        pipeline.set_mode(Mode.LATENCY, slots[1:])
        device.finish_frame(1)
        assert numbers_of(received.await_count(2)[1:]) == [1]
        wait_until(lambda: not pipeline.is_stuck)
    assert pipeline.counts == Counts(submitted=2, completed=1, failed=1)


@every_mode
def test_close_gives_up_what_a_device_never_finishes(mode: Mode) -> None:
    device, received, slots = FakeDevice(), Received(), SCHEDULES[mode].slots
    pipeline = Pipeline(
        [FakeSlot(device) for _ in range(slots)], mode, DropPolicy.REPLAY, SETTINGS, received, close_timeout_s=0.1
    )
    submit(pipeline, 0)
    device.finish("pfe", 0)
    device.await_running("rpn", 0)
    closer = in_thread(pipeline.close)
    closer.join(PATIENCE_S)
    assert not closer.is_alive()
    assert [result.error for result in received.results] == [
        "RPN did not end within 0.1 s after the pipeline was closed"
    ]
    assert pipeline.counts == Counts(submitted=1, failed=1)


def test_a_device_that_does_not_answer_counts_as_finished_with_the_frame() -> None:
    class Gone(FakeSlot):
        def pfe_is_finished(self) -> bool:
            raise RuntimeError("the device is gone")

        def scatter(self) -> None:
            raise InferenceError("the device is gone")

        def tidy_up(self) -> None:
            """Raise if it is still running, which is unknown."""

    received = Received()
    slots = [Gone(FakeDevice())]
    with closing(Pipeline(slots, Mode.LATENCY, DropPolicy.REPLAY, SETTINGS, received)) as pipeline:
        submit(pipeline, 0)
        (failed,) = received.await_count(1)
    assert failed.error == "the device is gone"


@every_mode
def test_an_encoder_may_be_done_before_its_start_returns(mode: Mode) -> None:
    """Like the host encoder, which has done all its work in `prepare`."""

    class DoneAtOnce(FakeSlot):
        def start_pfe(self, done: Callable[[], None]) -> None:
            self._run = Run(done)
            self._run.finished = True
            done()

    device, received = FakeDevice(automatic=True), Received()
    slots = [DoneAtOnce(device) for _ in range(SCHEDULES[mode].slots)]
    with closing(Pipeline(slots, mode, DropPolicy.REPLAY, SETTINGS, received)) as pipeline:
        submit(pipeline, *range(20))
        assert pipeline.drain(PATIENCE_S)
    assert numbers_of(received.results) == list(range(20))


@every_mode
def test_the_trace_has_the_times_that_the_results_have(mode: Mode) -> None:
    received, trace = Received(), list[StageEvent]()
    slots = [FakeSlot(FakeDevice(automatic=True)) for _ in range(SCHEDULES[mode].slots)]
    with closing(Pipeline(slots, mode, DropPolicy.REPLAY, SETTINGS, received, on_event=trace.append)) as pipeline:
        submit(pipeline, *range(10))
        assert pipeline.drain(PATIENCE_S)
    for result in received.results:
        for stage in list(Stage)[1:]:
            at_ns = [event.now_ns for event in trace if event.sequence == result.sequence and event.stage is stage]
            assert tuple(at_ns) == result.times.span_ns(stage)


@every_mode
def test_a_pipeline_is_refused_too_few_slots(mode: Mode) -> None:
    slots = [FakeSlot(FakeDevice()) for _ in range(SCHEDULES[mode].slots - 1)]
    with pytest.raises(ConfigError, match="slots"):
        Pipeline(slots, mode, DropPolicy.LIVE, SETTINGS, Received())


def test_drain_tells_when_it_gave_up() -> None:
    device, received = FakeDevice(), Received()
    with closing(make_pipeline(device, received, Mode.LATENCY)) as pipeline:
        submit(pipeline, 0)
        assert pipeline.counts.pending == 1
        assert not pipeline.drain(0.01)
        device.finish_frame(0)
        assert pipeline.drain(PATIENCE_S)


@every_mode
def test_every_stage_is_stamped_and_no_stage_begins_before_the_one_before_it_ended(mode: Mode) -> None:
    received = Received()
    with closing(make_pipeline(FakeDevice(automatic=True), received, mode)) as pipeline:
        submit(pipeline, *range(10))
        assert pipeline.drain(PATIENCE_S)
    for result in received.results:
        stamps = [stamp for stage in list(Stage)[1:] for stamp in result.times.span_ns(stage)]
        assert stamps == sorted(stamps)
        assert stamps[0] > 0


def test_stamps_of_the_sender_are_kept() -> None:
    received, times = Received(), StageTimes()
    times.begin(Stage.CONVERT, 5)
    times.end(Stage.CONVERT, 7)
    with closing(make_pipeline(FakeDevice(automatic=True), received, Mode.LATENCY)) as pipeline:
        pipeline.submit(cloud(0), None, times)
        assert pipeline.drain(PATIENCE_S)
    assert received.results[0].times.span_ns(Stage.CONVERT) == (5, 7)


def test_without_stamps_of_the_sender_the_total_begins_with_the_submission() -> None:
    """Instead of with the boot of the computer, where the monotonic clock may start at zero."""
    received = Received()
    with closing(make_pipeline(FakeDevice(automatic=True), received, Mode.LATENCY)) as pipeline:
        submit(pipeline, 0)
        assert pipeline.drain(PATIENCE_S)
    times = received.results[0].times
    begin, end = times.span_ns(Stage.CONVERT)[0], times.span_ns(Stage.DECODE)[1]
    assert 0 < begin <= times.span_ns(Stage.QUEUE)[0]
    assert times.total_ms == pytest.approx((end - begin) / 1e6)
