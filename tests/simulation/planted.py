"""The planted bugs, by the part that has them."""

from __future__ import annotations

from typing import Final

from simulation.mutants import Mutant

DELIVERY: Final = "agent_core.runtime.delivery"
REPLAY: Final = "agent_core.runtime.replay"
FILES: Final = "csv_sink.files"

MUTANTS: Final[tuple[Mutant, ...]] = (
    Mutant(
        "ambiguity_forgotten_at_the_stop",
        f"{DELIVERY}.carrier",
        "        if flight.ambiguous and not self._buffer.durable:\n",
        "        if False:\n",
    ),
    Mutant(
        "ambiguity_of_a_defect_forgotten",
        f"{DELIVERY}.carrier",
        "            flight.ambiguous |= self._sink.opened",
        "            flight.ambiguous |= False",
    ),
    Mutant(
        "ambiguity_of_a_lost_answer_forgotten",
        f"{DELIVERY}.carrier",
        "            flight.ambiguous |= error.ambiguous\n",
        "            pass\n",
    ),
    Mutant(
        "diverted_not_settled",
        f"{DELIVERY}.carrier",
        "            self._buffer.settle(flight.lease)\n",
        "",
    ),
    Mutant(
        "defect_ends_a_worker",
        f"{DELIVERY}.workers",
        "                except BaseException as error:  # SystemExit",
        "                except MemoryError as error:  # SystemExit",
    ),
    Mutant(
        "defects_are_exceptions_only",
        f"{DELIVERY}.shared_sink",
        ("            except BaseException as error:\n                count_failure(error)"),
        ("            except Exception as error:\n                count_failure(error)"),
    ),
    Mutant(
        "flights_are_kept",
        f"{DELIVERY}.sink_gate",
        "        self._flights.discard(flight)\n",
        "",
    ),
    Mutant(
        "a_write_that_returns_is_no_news",
        f"{DELIVERY}.sink_gate",
        '            self._locked_up(flight, "a write returned")\n',
        "",
    ),
    Mutant(
        "close_wakes_nobody",
        f"{DELIVERY}.sink_gate",
        ("            self._closed = True\n            self.changed.notify_all()\n"),
        "            self._closed = True\n",
    ),
    Mutant(
        "rejected_not_counted",
        f"{DELIVERY}.settler",
        "        self._diverter.count_rejected(stored)\n",
        "",
    ),
    Mutant(
        "rejected_wait_for_nothing",
        f"{DELIVERY}.settler",
        "            self._let_wait(flight)\n",
        "            pass\n",
    ),
    Mutant(
        "any_outcome_is_believed",
        f"{DELIVERY}.shared_sink",
        "                check_outcome(outcome, len(flight.batch))\n",
        "",
    ),
    Mutant(
        "sink_opened_by_each_worker",
        f"{DELIVERY}.shared_sink",
        ("        with self._lock:\n            return self._locked_open"),
        ("        if True:\n            return self._locked_open"),
    ),
    Mutant(
        "fallback_failure_is_believed",
        f"{DELIVERY}.fallback",
        "            raise FallbackFailed(message_of(error)) from error\n",
        "            return ()\n",
    ),
    Mutant(
        "call_of_the_fallback_never_ends",
        f"{DELIVERY}.diverter",
        "            self._calls.pop(thread, None)\n",
        "            pass\n",
    ),
    Mutant(
        "evicted_are_forgotten",
        f"{DELIVERY}.delivery",
        "            self._send(Parcel(evicted, DivertReason.BUFFER_FULL), DropReason.BUFFER_FULL)\n",
        "            pass\n",
    ),
    Mutant(
        "buffer_failure_is_forgotten",
        f"{DELIVERY}.delivery",
        "            self._send(Parcel(batch, DivertReason.BUFFER_FAILED), DropReason.BUFFER_FAILED)\n",
        "",
    ),
    Mutant(
        "taken_over_not_settled",
        f"{DELIVERY}.delivery",
        "            self.buffer.settle(lease)\n",
        "",
    ),
    Mutant(
        "handed_back_not_spilled",
        f"{DELIVERY}.delivery",
        (
            "        self._spill_stuck(stuck)\n"
            "        self._spill_ready()\n"
            "        if self._workers.wait_until(deadline, lambda: not self._pending()):\n"
            "            self._spill_ready()\n"
        ),
        "        self._spill_stuck(stuck)\n",
    ),
    Mutant(
        "stop_does_not_wait_for_the_overflow",
        f"{DELIVERY}.overflow",
        "        self._gate.begin_divert(flight)  # a stop waits for it\n",
        "",
    ),
    Mutant(
        "overflow_leaves_the_rest",
        f"{DELIVERY}.overflow",
        (
            "                while self._parcels and self._parcels[0].reason is reason:\n"
            "                    mine.append(self._parcels.popleft())\n"
        ),
        ("                mine.append(self._parcels.popleft())\n                self._parcels.clear()\n"),
    ),
    Mutant(
        "relief_keeps_its_lease",
        f"{DELIVERY}.watch",
        "                self._buffer.release(lease)\n",
        "                pass\n",
    ),
    Mutant(
        "transform_failure_is_forgotten",
        "agent_core.runtime.pipeline",
        "            self._hand_over(route, delivery, partial(delivery.refuse, batch, *reasons))\n",
        "            pass\n",
    ),
    Mutant(
        "append_without_a_lock",
        "memory_buffer.buffer",
        ("        with self._lock:\n            evicted = EMPTY\n"),
        ("        if True:\n            evicted = EMPTY\n"),
        lines=True,
    ),
    Mutant(
        "leased_take_no_room",
        "memory_buffer.buffer",
        "            excess = self._leased + self._ready.records + count - self._capacity\n",
        "            excess = self._ready.records + count - self._capacity\n",
    ),
    Mutant(
        "newest_are_dropped_in_silence",
        "memory_buffer.buffer",
        (
            "            if excess > 0 and self._when_full is WhenFull.DROP_NEWEST:\n"
            "                kept = count - excess\n"
            "                batch, evicted = batch.slice(0, kept), batch.slice(kept, count)\n"
        ),
        (
            "            if excess > 0 and self._when_full is WhenFull.DROP_NEWEST:\n"
            "                kept = count - excess\n"
            "                batch, evicted = batch.slice(0, kept), EMPTY\n"
        ),
    ),
    Mutant(
        "released_are_lost",
        "memory_buffer.buffer",
        "            self._ready.put_back(self._take_back(lease).chunks)\n",
        "            self._take_back(lease)\n",
    ),
    Mutant(
        "released_are_not_counted",
        "memory_buffer.chunks",
        "        self.records += sum(chunk.stop - chunk.start for chunk in chunks)\n",
        "",
    ),
    Mutant(
        "cut_keeps_what_it_gives",
        "memory_buffer.chunks",
        "                chunks.appendleft(Chunk(position + wanted, appended_at, batch, middle, stop))\n",
        "                chunks.appendleft(Chunk(position + wanted, appended_at, batch, start, stop))\n",
    ),
    Mutant(
        "no_fsync",
        f"{FILES}.part",
        ("                rest = rest[self._file.write(rest) or 0 :]\n            os.fsync(self._file.fileno())\n"),
        "                rest = rest[self._file.write(rest) or 0 :]\n",
    ),
    Mutant(
        "descriptor_stays_open",
        f"{FILES}.part",
        ("    finally:\n        os.close(descriptor)\n"),
        ("    finally:\n        pass\n"),
    ),
)
