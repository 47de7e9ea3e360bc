"""The planted bugs, by the part that has them."""

from __future__ import annotations

from typing import Final

from simulation.mutants import Mutant

DELIVERY: Final = "agent_core.runtime.delivery"
REPLAY: Final = "agent_core.runtime.replay"
FILES: Final = "csv_sink.files"
DEVICE: Final = "polling_source.engine.device"

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
        "given_up_and_counted_late",
        f"{DELIVERY}.ledger",
        "            self._given_up.add(sink_id)\n",
        "",
    ),
    Mutant(
        "taken_over_and_settled",
        f"{DELIVERY}.carrier",
        ("        if self._gate.returned(flight):\n            self._settler.settle(flight)\n"),
        ("        self._gate.returned(flight)\n        self._settler.settle(flight)\n"),
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
        "taken_over_on_its_way_to_the_fallback",
        f"{DELIVERY}.sink_gate",
        "            flights = [flight for flight in tuple(self._flights) if not flight.diverting]\n",
        "            flights = list(self._flights)\n",
    ),
    Mutant(
        "flights_are_kept",
        f"{DELIVERY}.sink_gate",
        "        self._flights.pop(flight, None)\n",
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
        "taken_over_not_settled",
        f"{DELIVERY}.delivery",
        "            self.buffer.settle(lease)\n",
        "",
    ),
    Mutant(
        "relief_keeps_its_lease",
        f"{DELIVERY}.watch",
        "                self._buffer.release(lease)\n",
        "                pass\n",
    ),
    Mutant(
        "pipeline_does_not_wait",
        "agent_core.runtime.pipeline",
        "            while self._emitting and self._clock.monotonic() < deadline:\n",
        "            while False:\n",
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
        "settle_without_a_lock",
        "memory_buffer.buffer",
        ("    def settle(self, lease: Lease) -> None:\n        with self._lock:\n"),
        ("    def settle(self, lease: Lease) -> None:\n        if True:\n"),
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
        ("                rest = rest[self._file.write(rest) or 0 :]\n            disk.sync(self._file)\n"),
        "                rest = rest[self._file.write(rest) or 0 :]\n",
    ),
    Mutant(
        "torn_line_stays",
        f"{FILES}.part",
        (
            "            self._file.truncate(self.size_bytes)\n"
            "            self._file.seek(self.size_bytes)\n"
            "            disk.sync(self._file)\n"
            "            self.torn = False\n"
        ),
        "            self.torn = False\n",
    ),
    Mutant(
        "descriptor_stays_open",
        f"{FILES}.disk",
        ("    finally:\n        os.close(descriptor)\n"),
        ("    finally:\n        pass\n"),
    ),
    Mutant(
        "append_fails_and_nobody_hears",
        f"{FILES}.appender",
        "            lines.failure, lines.settled = failure, True\n",
        "            lines.failure, lines.settled = None, True\n",
    ),
    Mutant(
        "those_who_wait_are_not_woken",
        f"{FILES}.appender",
        ("                self._leading = False\n                self._turn.notify_all()\n"),
        "                self._leading = False\n",
    ),
    Mutant(
        "left_files_are_not_completed",
        f"{FILES}.appender",
        "        self._left = set(unfinished) - {part.path for part in self._parts.values()}\n",
        "        self._left = set()\n",
    ),
    Mutant(
        "rejected_by_a_replay_are_forgotten",
        f"{REPLAY}.file_replay",
        "        self._rejected.store(flight)\n",
        "",
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
    ),
    Mutant(
        "finished_before_the_end",
        f"{REPLAY}.file_replay",
        "            if not self._sleep(max(0.0,",
        ("            break\n            if not self._sleep(max(0.0,"),
    ),
    Mutant(
        "replay_into_a_table_without_a_key",
        f"{REPLAY}.replayer",
        ("            if self._sink.idempotent:\n                return True\n"),
        "            return True\n",
    ),
    Mutant(
        "good_files_can_be_deleted",
        f"{REPLAY}.replayer",
        ("        if not found.rejected:\n            raise ReplayRefused("),
        ("        if False:\n            raise ReplayRefused("),
    ),
    Mutant(
        "position_of_another_file",
        f"{REPLAY}.position",
        "        return self._all().get(file, 0)\n",
        "        return max(self._all().values(), default=0)\n",
    ),
    Mutant(
        "driver_that_exits_costs_a_poll",
        DEVICE,
        "        except BaseException as defect:\n            error = DriverFailed.after(defect, self._driver)\n",
        "        except Exception as defect:\n            error = DriverFailed.after(defect, self._driver)\n",
    ),
)
