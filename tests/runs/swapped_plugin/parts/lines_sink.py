"""A third-party sink: one line a row into a file, flushed to disk before write returns."""

import os
from pathlib import Path

from agent_core.api import Batch, ComponentContext, Config, SinkFactory, WriteOutcome, hookimpl

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["path"],
    "properties": {"path": {"type": "string", "format": "path"}},
}


class LinesSink:
    idempotent = False

    def __init__(self, config: Config, context: ComponentContext) -> None:
        self._path = Path(str(config["path"]))

    def open(self) -> None: ...

    def close(self) -> None: ...

    def write(self, batch: Batch) -> WriteOutcome:
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(f"{record.name} {record.value}\n" for record in batch.records())
            file.flush()
            os.fsync(file.fileno())
        return WriteOutcome(len(batch))


@hookimpl
def agent_register_sink() -> SinkFactory:
    return SinkFactory("lines_sink", SCHEMA, LinesSink, "lines in a file")
