"""A third-party buffer, as simple as the contract allows: a list under a lock, and a condition to wait on."""

import threading

from agent_core.api import (
    EMPTY,
    Batch,
    BufferFactory,
    BufferStats,
    ComponentContext,
    Config,
    Lease,
    LeaseError,
    hookimpl,
)


class ListBuffer:
    durable = False
    blocks = False

    def __init__(self, config: Config, context: ComponentContext) -> None:
        self._changed = threading.Condition()
        self._clock = context.clock
        self._ready: list[Batch] = []
        self._leases: dict[int, Batch] = {}
        self._tokens = 0
        self._stopped = False

    def open(self) -> None: ...

    def close(self) -> None: ...

    def append(self, batch: Batch) -> Batch:
        with self._changed:
            self._ready.append(batch)
            self._changed.notify_all()
        return EMPTY

    def lease(self, max_records: int, max_wait_seconds: float) -> Lease | None:
        with self._changed:
            if not self._ready and not self._stopped and max_wait_seconds > 0:
                self._clock.wait(self._changed, max_wait_seconds)
            rows = Batch.join(self._ready)
            if not rows:
                return None
            self._tokens += 1
            taken = rows.slice(0, min(max_records, len(rows)))
            rest = rows.slice(len(taken), len(rows))
            self._ready = [rest] if rest else []
            self._leases[self._tokens] = taken
            return Lease(taken, self._tokens)

    def settle(self, lease: Lease) -> None:
        with self._changed:
            if self._leases.pop(lease.token, None) is None:
                raise LeaseError("not out")

    def release(self, lease: Lease) -> None:
        with self._changed:
            if (batch := self._leases.pop(lease.token, None)) is None:
                raise LeaseError("not out")
            self._ready.insert(0, batch)

    def stop_waiting(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def stats(self) -> BufferStats:
        with self._changed:
            return BufferStats(10**9, sum(map(len, self._ready)), sum(map(len, self._leases.values())))


@hookimpl
def agent_register_buffer() -> BufferFactory:
    schema = {"type": "object", "additionalProperties": False}
    return BufferFactory("list_buffer", schema, ListBuffer, "a list")
