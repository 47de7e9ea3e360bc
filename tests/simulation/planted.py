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
        seeds=120,
    ),
    Mutant(
        "ambiguity_of_a_defect_forgotten",
        f"{DELIVERY}.carrier",
        "            flight.ambiguous |= self._sink.opened",
        "            flight.ambiguous |= False",
        seeds=120,
    ),
    Mutant(
        "ambiguity_of_a_lost_answer_forgotten",
        f"{DELIVERY}.carrier",
        "            flight.ambiguous |= error.ambiguous\n",
        "            pass\n",
        seeds=120,
    ),
    Mutant(
        "given_up_and_counted_late",
        f"{DELIVERY}.ledger",
        "            self._given_up.add(sink_id)\n",
        "",
        seeds=120,
    ),
    Mutant(
        "taken_over_and_settled",
        f"{DELIVERY}.carrier",
        ("        if self._gate.returned(flight):\n            self._settler.settle(flight)\n"),
        ("        self._gate.returned(flight)\n        self._settler.settle(flight)\n"),
        seeds=120,
    ),
    Mutant(
        "diverted_not_settled",
        f"{DELIVERY}.carrier",
        "            self._buffer.settle(flight.lease)\n",
        "",
        seeds=120,
    ),
    Mutant(
        "defect_ends_a_worker",
        f"{DELIVERY}.workers",
        "                except BaseException as error:  # SystemExit",
        "                except MemoryError as error:  # SystemExit",
        seeds=120,
    ),
    Mutant(
        "defects_are_exceptions_only",
        f"{DELIVERY}.shared_sink",
        ("            except BaseException as error:\n                count_failure(error)"),
        ("            except Exception as error:\n                count_failure(error)"),
        seeds=120,
    ),
    Mutant(
        "flights_are_kept",
        f"{DELIVERY}.sink_gate",
        "        self._flights.discard(flight)\n",
        "",
        seeds=120,
    ),
    Mutant(
        "a_write_that_returns_is_no_news",
        f"{DELIVERY}.sink_gate",
        '            self._locked_up(flight, "a write returned")\n',
        "",
        seeds=120,
    ),
    Mutant(
        "close_wakes_nobody",
        f"{DELIVERY}.sink_gate",
        ("            self._closed = True\n            self.changed.notify_all()\n"),
        "            self._closed = True\n",
        seeds=120,
    ),
    Mutant(
        "rejected_not_counted",
        f"{DELIVERY}.settler",
        "        self._diverter.count_rejected(stored)\n",
        "",
        seeds=120,
    ),
    Mutant(
        "rejected_wait_for_nothing",
        f"{DELIVERY}.settler",
        "            self._let_wait(flight)\n",
        "            pass\n",
        seeds=120,
    ),
    Mutant(
        "any_outcome_is_believed",
        f"{DELIVERY}.shared_sink",
        "                check_outcome(outcome, len(flight.batch))\n",
        "",
        seeds=120,
    ),
    Mutant(
        "sink_opened_by_each_worker",
        f"{DELIVERY}.shared_sink",
        ("        with self._lock:\n            return self._locked_open"),
        ("        if True:\n            return self._locked_open"),
        seeds=120,
    ),
    Mutant(
        "fallback_failure_is_believed",
        f"{DELIVERY}.fallback",
        "            raise FallbackFailed(message_of(error)) from error\n",
        "            return ()\n",
        seeds=120,
    ),
    Mutant(
        "call_of_the_fallback_never_ends",
        f"{DELIVERY}.diverter",
        "            self._calls.pop(thread, None)\n",
        "            pass\n",
        seeds=120,
    ),
    Mutant(
        "evicted_are_forgotten",
        f"{DELIVERY}.delivery",
        "            self._send(Parcel(evicted, DivertReason.BUFFER_FULL), DropReason.BUFFER_FULL)\n",
        "            pass\n",
        seeds=120,
    ),
    Mutant(
        "taken_over_not_settled",
        f"{DELIVERY}.delivery",
        "            self.buffer.settle(lease)\n",
        "",
        seeds=120,
    ),
    Mutant(
        "relief_keeps_its_lease",
        f"{DELIVERY}.watch",
        "                self._buffer.release(lease)\n",
        "                pass\n",
        seeds=120,
    ),
    Mutant(
        "pipeline_does_not_wait",
        "agent_core.runtime.pipeline",
        "            while self._emitting and self._clock.monotonic() < deadline:\n",
        "            while False:\n",
        seeds=120,
    ),
    Mutant(
        "transform_failure_is_forgotten",
        "agent_core.runtime.pipeline",
        "            self._hand_over(route, delivery, partial(delivery.refuse, batch, *reasons))\n",
        "            pass\n",
        seeds=120,
    ),
    Mutant(
        "append_without_a_lock",
        "memory_buffer.buffer",
        ("        with self._lock:\n            evicted = EMPTY\n"),
        ("        if True:\n            evicted = EMPTY\n"),
        seeds=120,
        lines=True,
    ),
    Mutant(
        "settle_without_a_lock",
        "memory_buffer.buffer",
        ("    def settle(self, lease: Lease) -> None:\n        with self._lock:\n"),
        ("    def settle(self, lease: Lease) -> None:\n        if True:\n"),
        seeds=120,
        lines=True,
    ),
    Mutant(
        "leased_take_no_room",
        "memory_buffer.buffer",
        "            excess = self._leased + self._ready.records + count - self._capacity\n",
        "            excess = self._ready.records + count - self._capacity\n",
        seeds=120,
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
        seeds=120,
    ),
    Mutant(
        "released_are_lost",
        "memory_buffer.buffer",
        "            self._ready.put_back(self._take_back(lease).chunks)\n",
        "            self._take_back(lease)\n",
        seeds=120,
    ),
    Mutant(
        "released_are_not_counted",
        "memory_buffer.chunks",
        "        self.records += sum(chunk.stop - chunk.start for chunk in chunks)\n",
        "",
        seeds=120,
    ),
    Mutant(
        "cut_keeps_what_it_gives",
        "memory_buffer.chunks",
        "                chunks.appendleft(Chunk(position + wanted, appended_at, batch, middle, stop))\n",
        "                chunks.appendleft(Chunk(position + wanted, appended_at, batch, start, stop))\n",
        seeds=120,
    ),
    Mutant(
        "no_fsync",
        f"{FILES}.part",
        ("                rest = rest[self._file.write(rest) or 0 :]\n            os.fsync(self._file.fileno())\n"),
        "                rest = rest[self._file.write(rest) or 0 :]\n",
        seeds=120,
    ),
    Mutant(
        "torn_line_stays",
        f"{FILES}.part",
        (
            "            self._file.truncate(self.size_bytes)\n"
            "            self._file.seek(self.size_bytes)\n"
            "            os.fsync(self._file.fileno())\n"
            "            self.torn = False\n"
        ),
        "            self.torn = False\n",
        seeds=120,
    ),
    Mutant(
        "descriptor_stays_open",
        f"{FILES}.part",
        ("    finally:\n        os.close(descriptor)\n"),
        ("    finally:\n        pass\n"),
        seeds=120,
    ),
    Mutant(
        "append_fails_and_nobody_hears",
        f"{FILES}.appender",
        "            lines.failure, lines.settled = failure, True\n",
        "            lines.failure, lines.settled = None, True\n",
        seeds=120,
    ),
    Mutant(
        "those_who_wait_are_not_woken",
        f"{FILES}.appender",
        ("                self._leading = False\n                self._turn.notify_all()\n"),
        "                self._leading = False\n",
        seeds=120,
    ),
    Mutant(
        "left_files_are_not_completed",
        f"{FILES}.appender",
        "        self._left = set(unfinished) - {part.path for part in self._parts.values()}\n",
        "        self._left = set()\n",
        seeds=120,
    ),
    Mutant(
        "finished_files_stay_counted",
        f"{FILES}.listing",
        "        self._inventory.remove(name)\n",
        "",
        seeds=120,
    ),
    Mutant(
        "rejected_by_a_replay_are_forgotten",
        f"{REPLAY}.file_replay",
        "        self._rejected.store(flight)\n",
        "",
        seeds=120,
    ),
    Mutant(
        "position_before_the_write",
        f"{REPLAY}.file_replay",
        (
            "            outcome = self._deliver(file, portion)\n"
            "            if self._store_position(file, portion.stop):\n"
            "                ledger.next_record = portion.stop\n"
        ),
        (
            "            self._store_position(file, portion.stop)\n"
            "            outcome = self._deliver(file, portion)\n"
            "            ledger.next_record = portion.stop\n"
        ),
        seeds=120,
    ),
    Mutant(
        "finished_before_the_end",
        f"{REPLAY}.file_replay",
        "            if not self._sleep(max(0.0,",
        ("            break\n            if not self._sleep(max(0.0,"),
        seeds=120,
    ),
    Mutant(
        "replay_into_a_table_without_a_key",
        f"{REPLAY}.replayer",
        ("            if self._sink.idempotent:\n                return True\n"),
        "            return True\n",
        seeds=120,
    ),
    Mutant(
        "good_files_can_be_deleted",
        f"{REPLAY}.replayer",
        ("        if not found.rejected:\n            raise ReplayRefused("),
        ("        if False:\n            raise ReplayRefused("),
        seeds=120,
    ),
    Mutant(
        "position_of_another_file",
        f"{REPLAY}.position",
        "        return self._all().get(file, 0)\n",
        "        return max(self._all().values(), default=0)\n",
        seeds=120,
    ),
)
