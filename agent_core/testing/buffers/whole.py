"""The buffer as a whole: compared with a model, and with many threads."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from agent_core.api import Batch, Buffer, SystemClock
from agent_core.testing.background import Background
from agent_core.testing.buffers.case import FOREVER, POLICIES, BufferCase, MakeOpen, not_shared
from agent_core.testing.buffers.durable import DurableModel
from agent_core.testing.buffers.model import BufferModel
from agent_core.testing.clock import ManualClock
from agent_core.testing.records import RecordMaker, numbers


@not_shared
class WholeTests(BufferCase):
    """The ledger balances, whatever happens in whatever order."""

    model_examples: ClassVar[int] = 100
    """How many runs of the model test; each has up to 30 steps. A durable buffer, whose disk may be slow, has 12."""

    def _examples(self, buffer: Buffer) -> int:
        return min(self.model_examples, 12) if buffer.durable else self.model_examples

    @pytest.mark.parametrize("when_full", POLICIES)
    def test_it_behaves_like_its_model(self, tmp_path: Path, when_full: str) -> None:
        folders = (tmp_path / f"run-{number}" for number in itertools.count())
        probe = self.make_buffer(tmp_path, capacity=1, when_full=when_full, clock=ManualClock())

        def make(*, capacity: int, when_full: str, clock: ManualClock) -> Buffer:
            folder = next(folders)
            folder.mkdir()
            buffer = self.make_buffer(folder, capacity=capacity, when_full=when_full, clock=clock)
            buffer.open()
            return buffer

        class Machine(BufferModel):
            def __init__(self) -> None:
                super().__init__(make, when_full)

        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=self._examples(probe),
                stateful_step_count=30,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )

    @pytest.mark.parametrize("when_full", POLICIES)
    def test_a_durable_buffer_behaves_like_its_model_over_crashes(self, tmp_path: Path, when_full: str) -> None:
        probe = self.make_buffer(tmp_path, capacity=1, when_full=when_full, clock=ManualClock())
        if not probe.durable:
            pytest.skip("the buffer says that it is not durable")

        def make_folders() -> Iterator[Path]:
            for number in itertools.count():
                folder = tmp_path / f"life-{number}"
                folder.mkdir()
                yield folder

        folders = make_folders()

        class Machine(DurableModel):
            def __init__(machine) -> None:  # noqa: N805 - self is the test
                super().__init__(self.make_buffer, when_full, folders)

        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=min(5, self.model_examples),
                stateful_step_count=30,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )

    @pytest.mark.parametrize("when_full", POLICIES)
    def test_with_many_threads_every_record_is_accounted_for_once(self, make: MakeOpen, when_full: str) -> None:
        buffer = make(300, when_full, SystemClock())
        makers = [RecordMaker(maker) for maker in range(3)]
        settled: list[Batch] = []
        ended = threading.Event()

        def append(maker: RecordMaker) -> list[Batch]:
            return [buffer.append(maker.batch(number % 53)) for number in range(120)]

        def settle() -> None:
            turns = itertools.count()
            while (lease := buffer.lease(40, 0.002)) is not None or not ended.is_set():
                if lease is None:
                    continue
                assert buffer.stats().pending_records <= 300
                if next(turns) % 5 == 4 and not ended.is_set():
                    buffer.release(lease)
                    continue
                settled.append(lease.batch)
                buffer.settle(lease)

        appending = [Background(partial(append, maker)) for maker in makers]
        settling = [Background(settle) for _ in range(3)]
        try:
            evicted = [batch for call in appending for batch in call.result()]
        finally:
            ended.set()
        for lessee in settling:
            lessee.result()
        accounted = Counter(name for batch in (*evicted, *settled) for name in batch.names)
        assert set(accounted.values()) == {1}, "records that are accounted for more than once"
        assert accounted.total() == sum(maker.made for maker in makers)
        assert buffer.stats().pending_records == 0
        for batch in settled:
            for maker in range(3):
                mine = [
                    number for name, number in zip(batch.names, numbers(batch), strict=True) if name[1] == str(maker)
                ]
                assert mine == sorted(mine), "records of one appender out of order within a lease"

    def test_no_wake_up_is_lost_between_appenders_and_lessees(self, make: MakeOpen) -> None:
        buffer, makers = make(10, "block"), [RecordMaker(maker) for maker in range(3)]
        settled: list[int] = []

        def append(maker: RecordMaker) -> None:
            for _ in range(100):
                assert not buffer.append(maker.batch(4))

        def settle() -> None:
            while (lease := buffer.lease(5, FOREVER)) is not None:
                buffer.settle(lease)
                settled.append(len(lease.batch))
                if sum(settled) == 1200:
                    buffer.stop_waiting()

        calls = [Background(partial(append, maker)) for maker in makers]
        calls += [Background(settle) for _ in range(2)]
        for call in calls:
            call.result()
        assert settled == [5] * 240
