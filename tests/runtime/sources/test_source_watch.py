"""Whether a source works, as it shows in its state."""

import threading
from collections.abc import Callable, Iterator

import pytest

from agent_core.api import EMPTY, Pulse, SourceState, SourceStatus
from agent_core.registry.events import Events
from agent_core.runtime.delivery.ledger import Ledger
from agent_core.runtime.pipeline import Pipeline, Route
from agent_core.runtime.sources.intake import FIRST_LIMIT_SECONDS
from agent_core.runtime.sources.source_watch import LEAST_SILENT_SECONDS, LOOK_SECONDS, SourceWatch, Watched
from agent_core.runtime.sources.thread_deaths import ThreadDeaths
from agent_core.testing.background import Background
from agent_core.testing.clock import ManualClock
from agent_core.testing.fakes import batch_of
from agent_core.testing.suite.patience import PATIENCE_SECONDS

thread_dies = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


class Plain:
    """A source of which the core knows no more than that it emits."""

    def open(self) -> None: ...

    def close(self) -> None: ...

    def start(self, emit: object) -> None: ...

    def stop(self, timeout_seconds: float) -> None: ...


class WithPulse(Plain):
    """A source that says how it is."""

    def __init__(self) -> None:
        self.say: Callable[[], Pulse | None] = lambda: None

    def pulse(self) -> Pulse | None:
        return self.say()


class Rig:
    """One source that feeds no sink, and its watch."""

    def __init__(self, source: Plain, stale_after: float | None = None, *, started: bool = True) -> None:
        self.clock = ManualClock()
        self.pipeline = Pipeline([Route("line", "acme", (), ())], Ledger([]), Events(), self.clock)
        self.emit = self.pipeline.emitter("line")
        self.watch = SourceWatch({"line": Watched(source, "acme", stale_after)}, self.pipeline.intakes, self.clock)
        self.deaths = ThreadDeaths(self.watch.thread_died)
        self.deaths.install()
        self.before = threading.enumerate()
        self.watch.starting("line")
        if started:
            self.watch.started("line", self.before)

    @property
    def status(self) -> SourceStatus:
        [status] = self.watch.status(self.pipeline.status())
        return status


@pytest.fixture
def make() -> Iterator[Callable[..., Rig]]:
    rigs: list[Rig] = []

    def make(source: Plain | None = None, stale_after: float | None = None, *, started: bool = True) -> Rig:
        rigs.append(Rig(source or Plain(), stale_after, started=started))
        return rigs[-1]

    yield make
    for rig in reversed(rigs):
        rig.watch.close()
        rig.deaths.remove()


Make = Callable[..., Rig]


def run_in_a_thread(call: Callable[[], object]) -> None:
    thread = threading.Thread(target=call, name="acme-poll", daemon=True)
    thread.start()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()


def test_a_source_that_never_emits_is_stale_in_the_end(make: Make) -> None:
    rig = make()
    rig.clock.advance(FIRST_LIMIT_SECONDS - 1)
    assert rig.status.state is SourceState.RUNNING
    rig.clock.advance(1)
    assert (rig.status.state, rig.status.stale_after_seconds) == ("stale", FIRST_LIMIT_SECONDS)


@pytest.mark.parametrize(
    ("gaps", "limit"),
    [
        ([], 600),
        ([1.0], 600),
        ([1.0, 1.0], 60),
        ([30.0] * 5, 90),
        ([900.0], 2700),
        ([900.0, 900.0], 2700),
        ([0.125] * 50 + [600.0] + [0.125] * 50, 60),
        ([0.125] * 50 + [600.0] + [0.125] * 50 + [600.0], 1800),
        ([600.0, 600.0, 8 * 86_400.0, 1.0], 60),
        ([300.0, 300.0, *[30.0] * 16], 90),
    ],
    ids=[
        "one batch", "one pause", "fast", "slow", "slow from the start", "slow and known", "one outage",
        "a pause that it makes again", "a week later", "long ago",
    ],
)  # fmt: skip
def test_the_limit_of_a_source_that_says_nothing_is_three_of_its_pauses(
    make: Make, gaps: list[float], limit: float
) -> None:
    rig = make()
    rig.emit(batch_of(0))
    for gap in gaps:
        rig.clock.advance(gap)
        rig.emit(batch_of(1))
    rig.clock.advance(limit - 0.5)
    assert rig.status.state is SourceState.RUNNING
    rig.clock.advance(0.5)
    assert rig.status.problem == f"no batch for {limit} s (its limit is {limit} s, from its own rhythm)"
    assert "set stale_after" in str(rig.status.next_step)
    assert rig.status.stale_after_seconds == limit
    rig.emit(batch_of(2))
    assert rig.status.state is SourceState.RUNNING


def test_a_thread_that_returned_before_it_emitted_anything_is_noticed(make: Make) -> None:
    rig = make(started=False)
    monitor = threading.Event()
    stays = threading.Thread(target=monitor.wait, args=(PATIENCE_SECONDS,), daemon=True)
    stays.start()
    rig.watch.started("line", rig.before)
    rig.clock.advance(LEAST_SILENT_SECONDS)
    assert rig.status.problem is None, "one is alive"
    monitor.set()
    stays.join(PATIENCE_SECONDS)
    assert rig.status.state is SourceState.FAILED
    assert rig.status.problem == "each of its threads has ended, and it has emitted nothing for 30 s"


def test_a_source_that_emits_nothing_for_longer_than_the_yaml_says_is_stale(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    rig = make(stale_after=5.0)
    rig.clock.advance(4.9)
    assert rig.status.state is SourceState.RUNNING
    rig.clock.advance(0.1)
    rig.watch.look()
    rig.watch.look()
    assert (rig.status.state, rig.status.problem) == ("stale", "no batch for 5 s (its limit is 5 s)")
    assert rig.status.next_step
    rig.emit(batch_of(1))
    rig.watch.look()
    assert (rig.status.state, rig.status.problem, rig.status.silent_seconds) == ("running", None, 0.0)
    events = [message.partition(":")[0] for message in caplog.messages]
    assert events == ["source stale", "source works again"]


def test_an_empty_batch_is_a_sign_of_life(make: Make) -> None:
    rig = make(stale_after=5.0)
    rig.clock.advance(4)
    rig.emit(EMPTY)
    rig.clock.advance(4)
    assert rig.status.state is SourceState.RUNNING
    assert rig.status.last_batch_ns is None


def test_a_source_that_has_a_pulse_says_itself_how_long_it_may_be_silent(make: Make) -> None:
    source = WithPulse()
    rig = make(source)
    rig.clock.advance(1000)
    assert rig.status.state is SourceState.RUNNING, "it expects nothing now"
    source.say = lambda: Pulse(29, 30, "device PLC01")
    assert rig.status.state is SourceState.RUNNING
    source.say = lambda: Pulse(31, 30, "device PLC01")
    assert rig.status.problem == "no sign of life of device PLC01 for 31 s (its limit is 30 s)"
    assert (rig.status.silent_seconds, rig.status.stale_after_seconds) == (31, 30)


def test_the_yaml_overrules_the_pulse_but_not_its_silence(make: Make) -> None:
    source = WithPulse()
    rig = make(source, stale_after=10)
    assert rig.status.state is SourceState.RUNNING
    source.say = lambda: Pulse(11, 30)
    assert rig.status.problem == "no sign of life for 11 s (its limit is 10 s)"


def test_a_pulse_that_raises_hides_no_status(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    def say() -> Pulse:
        raise SystemExit

    source = WithPulse()
    source.say = say
    assert make(source).status.state is SourceState.RUNNING
    assert "pulse failed" in caplog.text


@thread_dies
@pytest.mark.parametrize("error", [ValueError("defect"), SystemExit(1)])
def test_a_source_whose_emitting_thread_died_has_failed(
    make: Make, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make()

    def poll() -> None:
        rig.emit(batch_of(1))
        raise error

    run_in_a_thread(poll)
    rig.watch.look()
    assert rig.status.state is SourceState.FAILED
    assert rig.status.problem == f"an exception ended its thread acme-poll: {error!r}"
    assert rig.status.next_step == "restart the agent, and report it to whoever wrote acme"
    assert "source failed" in caplog.text
    rig.emit(batch_of(2))
    assert rig.status.state is SourceState.FAILED, "the values of that thread are still missing"


@thread_dies
@pytest.mark.parametrize("soon", [True, False])
def test_a_thread_that_start_began_and_that_never_emitted_counts_too(make: Make, soon: bool) -> None:
    rig, go_on = make(started=False), threading.Event()

    def fail() -> None:
        go_on.wait(PATIENCE_SECONDS)
        raise ValueError("defect")

    thread = threading.Thread(target=fail, daemon=True)
    thread.start()
    if soon:
        go_on.set()
        thread.join(PATIENCE_SECONDS)
    rig.watch.started("line", rig.before)
    go_on.set()
    thread.join(PATIENCE_SECONDS)
    assert rig.status.state is SourceState.FAILED


@thread_dies
def test_the_death_of_a_strangers_thread_is_not_the_sources(make: Make) -> None:
    def fail() -> None:
        raise ValueError("defect")

    rig = make()
    run_in_a_thread(fail)
    assert rig.status.state is SourceState.RUNNING
    rig.watch.starting("line")
    rig.watch.started("line", rig.before)
    assert rig.status.state is SourceState.RUNNING, "it died before the source was started"


def test_a_source_whose_threads_ended_without_a_word_has_failed_once_it_is_silent_for_long(make: Make) -> None:
    rig = make()
    run_in_a_thread(lambda: rig.emit(batch_of(1)))
    rig.clock.advance(60)
    run_in_a_thread(lambda: rig.emit(batch_of(2)))
    rig.clock.advance(179)
    assert rig.status.state is SourceState.RUNNING, "it may begin a thread for each poll: three of its gaps"
    rig.clock.advance(1)
    assert rig.status.problem == "each of its threads that emitted has ended, the last batch came 180 s ago"
    run_in_a_thread(lambda: rig.emit(batch_of(3)))
    assert rig.status.state is SourceState.RUNNING


def test_a_source_that_lets_one_of_its_threads_end_runs(make: Make) -> None:
    rig = make()
    run_in_a_thread(lambda: rig.emit(batch_of(1)))
    for _ in range(9):
        rig.emit(batch_of(2))
        rig.clock.advance(10 * LEAST_SILENT_SECONDS)
    assert rig.status.state is SourceState.RUNNING


def test_a_start_that_does_not_return_is_a_state_with_a_next_step(make: Make) -> None:
    rig = make(started=False)
    assert (rig.status.state, rig.status.problem) == ("starting", None)
    rig.clock.advance(30)
    rig.watch.late("line")
    assert rig.status.problem == "start has not returned for 30 s"
    assert rig.status.next_step
    rig.watch.started("line", rig.before)
    assert rig.status.state is SourceState.RUNNING
    assert rig.status.problem is None


def test_sources_that_are_being_stopped_may_be_silent(make: Make) -> None:
    rig = make(stale_after=5.0)
    rig.watch.close()
    rig.clock.advance(100)
    assert rig.status.state is SourceState.RUNNING


@pytest.mark.provokes("watch failed")
def test_the_watch_looks_each_second_and_survives_what_a_look_raises(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make(stale_after=5.0)
    looks, look = [SystemExit()], rig.watch.look
    seen = threading.Event()

    def look_in_vain() -> None:
        if looks:
            raise looks.pop()
        look()
        seen.set()

    monkeypatch.setattr(rig.watch, "look", look_in_vain)
    watching = Background(rig.watch.run)
    for _ in range(2):
        rig.clock.wait_for_a_wait_of(LOOK_SECONDS)
        rig.clock.advance(LOOK_SECONDS)
    assert seen.wait(PATIENCE_SECONDS)
    assert "watch failed" in caplog.text
    rig.watch.close()
    watching.result()


@thread_dies
def test_whoever_heard_of_deaths_before_hears_of_them_still() -> None:
    heard: list[str] = []
    previous = threading.excepthook
    threading.excepthook = lambda death: heard.append("before")
    deaths = ThreadDeaths(lambda thread, error: heard.append(thread.name))
    try:
        deaths.install()
        run_in_a_thread(lambda: 1 / 0)
        deaths.remove()
        deaths.remove()
        run_in_a_thread(lambda: 1 / 0)
    finally:
        threading.excepthook = previous
    assert heard == ["acme-poll", "before", "before"]
