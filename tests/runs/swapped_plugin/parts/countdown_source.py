"""A third-party source: emits the numbers from ``start`` down to 1, one a batch, and is done."""

import threading

from agent_core.api import Batch, ComponentContext, Config, Emit, Origin, SourceFactory, hookimpl

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["start"],
    "properties": {"start": {"type": "integer", "minimum": 1}},
}


class CountdownSource:
    def __init__(self, config: Config, context: ComponentContext) -> None:
        self._start = int(str(config["start"]))
        self._context = context
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self) -> None: ...

    def start(self, emit: Emit) -> None:
        self._thread = threading.Thread(target=self._run, args=(emit,), daemon=True)
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout_seconds)

    def close(self) -> None: ...

    def _run(self, emit: Emit) -> None:
        origin = Origin(self._context.component_id, "", "countdown")
        for number in range(self._start, 0, -1):
            if self._stopped.is_set():
                return
            emit(Batch.of(origin, ["COUNT"], [number], self._context.clock.time_ns() + self._start - number))


@hookimpl
def agent_register_source() -> SourceFactory:
    return SourceFactory("countdown_source", SCHEMA, CountdownSource, "counts down")
