"""What is known of a source from its calls of emit."""

import threading

from agent_core.runtime.sources.intake import Intake
from agent_core.testing.suite.patience import PATIENCE_SECONDS


def test_the_longest_gap_between_two_signs_of_life_is_kept() -> None:
    intake = Intake()
    for now in (5.0, 6.0, 16.0, 17.0):
        intake.seen(now)
    assert (intake.last_at, intake.longest_gap_seconds) == (17.0, 10.0)


def test_a_source_that_begins_a_thread_for_each_poll_fills_no_memory() -> None:
    intake = Intake()
    for number in range(50):
        thread = threading.Thread(target=intake.seen, args=(float(number),))
        thread.start()
        thread.join(PATIENCE_SECONDS)
    intake.seen(50.0)
    assert intake.threads == {threading.current_thread()}
