"""JetstreamSink passes the suite of every sink, against a real server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from jetstream_buffer.testing import NatsServer
from jetstream_sink.config import Repeats

from agent_core.api import Sink
from agent_core.testing.sinks import SinkContract, StoredRecord

from .conftest import MakeSink, numbers
from .stored import stored_batches


class TestJetstreamSink(SinkContract):
    """``not_recognised``: a stream remembers messages and not records, so what it can promise alone is this."""

    @pytest.fixture(autouse=True)
    def _server(self, server: NatsServer, make_sink: MakeSink) -> None:
        self.server, self.make, self.stream = server, make_sink, f"CONTRACT{next(numbers)}"

    def make_sink(self, folder: Path) -> Sink:
        return self.make(stream=self.stream, repeats=Repeats.NOT_RECOGNISED)

    def stored_records(self, sink: Sink) -> Sequence[StoredRecord]:
        return [
            StoredRecord(record.name, record.value, record.timestamp_ns, record.quality)
            for batch in stored_batches(self.server.url, self.stream)
            for record in batch.records()
        ]
