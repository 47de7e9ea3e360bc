"""A third-party source with a thread that nobody can end; ``hangs_in`` also keeps one of its methods from returning."""

import threading

from agent_core.api import Batch, ComponentContext, Config, Emit, Origin, SourceFactory, hookimpl

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"hangs_in": {"enum": ["nothing", "start", "stop", "close"], "default": "nothing"}},
}


class StubbornSource:
    def __init__(self, config: Config, context: ComponentContext) -> None:
        self._hangs_in = config["hangs_in"]
        self._context = context
        self._never = threading.Event()

    def open(self) -> None:
        threading.Thread(target=self._never.wait, name="stubborn", daemon=False).start()

    def start(self, emit: Emit) -> None:
        origin = Origin(self._context.component_id, "", "stubborn")
        emit(Batch.of(origin, ["A", "B", "C"], [1, 2, 3], self._context.clock.time_ns()))
        if self._hangs_in == "start":
            self._never.wait()

    def stop(self, timeout_seconds: float) -> None:
        if self._hangs_in == "stop":
            self._never.wait()

    def close(self) -> None:
        if self._hangs_in == "close":
            self._never.wait()


@hookimpl
def agent_register_source() -> SourceFactory:
    return SourceFactory("stubborn_source", SCHEMA, StubbornSource, "does not end")
