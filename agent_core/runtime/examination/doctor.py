"""Doctor: lets every part of a configuration diagnose itself, one after another, each for a limited time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from agent_core.api import AgentError, Clock, DdlProvider, Diagnosable, Finding, Log, Severity
from agent_core.config.model import AgentConfig
from agent_core.registry.catalog import Catalog
from agent_core.runtime.components import Components
from agent_core.runtime.error_words import text_of
from agent_core.runtime.examination.surroundings import diagnose_surroundings

WAIT_SECONDS = 0.25
"""On Windows a wait is not interrupted by Ctrl-C, so none is longer than this."""

_log = Log("agent_core.doctor")


@dataclass(frozen=True, slots=True)
class Patient:
    """The part that is examined; ``kind`` is agent, source, transform, buffer, sink, fallback or extension."""

    kind: str
    id: str
    type: str | None = None
    distribution: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.id}" + (f" ({self.type})" if self.type else "")

    @property
    def maker(self) -> str:
        """The plugin and its distribution, for a check that is late or fails."""
        if self.type is None:
            return "the agent"
        return f"{self.type} ({self.distribution})" if self.distribution else self.type


class Visitor(Protocol):
    """Receives what the doctor finds, in the thread that called ``examine``."""

    def began(self, patient: Patient) -> None:
        """The findings that follow are those of this part."""

    def found(self, patient: Patient, finding: Finding) -> None:
        """One finding."""

    def waiting(self, patient: Patient, elapsed_seconds: float) -> None:
        """The check of this part is still running. Called several times a second."""


class Doctor:
    """Creates the parts without running them, and calls ``diagnose`` of each in a thread of its own.

    A check that takes longer than ``limit_seconds`` is reported as failed and left behind.
    """

    def __init__(self, config: AgentConfig, catalog: Catalog, clock: Clock, limit_seconds: float) -> None:
        """Raises ConfigError or PluginError when a part cannot be made."""
        self._clock = clock
        self._limit = limit_seconds
        self._patients: list[tuple[Patient, Callable[[], Iterable[Finding]]]] = [
            (Patient("agent", config.name), partial(diagnose_surroundings, config, clock))
        ]
        for made, part in _parts(config, Components(config, catalog, clock)):
            patient = replace(made, distribution=catalog.distribution(made.type or ""))
            self._patients.append((patient, part.diagnose if isinstance(part, Diagnosable) else _no_checks))

    def examine(self, visitor: Visitor) -> Mapping[Severity, int]:
        """Examine every part, and return how many findings of each severity there were."""
        counts: Counter[Severity] = Counter()
        for patient, diagnose in self._patients:
            visitor.began(patient)
            for finding in self._findings(patient, diagnose, visitor):
                counts[finding.severity] += 1
                visitor.found(patient, finding)
        return counts

    def _findings(
        self, patient: Patient, diagnose: Callable[[], Iterable[Finding]], visitor: Visitor
    ) -> Iterator[Finding]:
        check = _Check(patient, diagnose, self._clock)
        began = self._clock.monotonic()
        while True:
            elapsed = self._clock.monotonic() - began
            if elapsed >= self._limit:
                message = f"did not end within {self._limit:g} s and was left behind"
                step = f"find out what {patient.maker} waits for here; --timeout lets it take longer"
                yield Finding(Severity.CRITICAL, "check", message, step)
                return
            finding, ended = check.next(min(WAIT_SECONDS, self._limit - elapsed))
            if finding is not None:
                yield finding
            elif ended:
                return
            else:
                visitor.waiting(patient, self._clock.monotonic() - began)


class _Check:
    """One call of ``diagnose`` in a daemon thread. The thread holds no lock of the agent and ends with the process."""

    def __init__(self, patient: Patient, diagnose: Callable[[], Iterable[Finding]], clock: Clock) -> None:
        self._patient = patient
        self._clock = clock
        self._changed = threading.Condition()
        self._findings: list[Finding] = []
        self._ended = False
        threading.Thread(target=self._run, args=(diagnose,), name=f"doctor-{patient.id}", daemon=True).start()

    def next(self, timeout_seconds: float) -> tuple[Finding | None, bool]:
        """Wait for the next finding: that, or None when none came in that time, and whether the check has ended."""
        with self._changed:
            if not self._findings and not self._ended:
                self._clock.wait(self._changed, timeout_seconds)
            return (self._findings.pop(0) if self._findings else None), self._ended

    def _run(self, diagnose: Callable[[], Iterable[Finding]]) -> None:
        try:
            for finding in diagnose():
                self._tell(finding)
        except (AgentError, OSError) as error:
            self._tell(Finding(Severity.CRITICAL, "check", str(error)))
        except BaseException as error:  # SystemExit or CancelledError, too, would end the check without a word
            _log.error("check failed", part=self._patient, exc_info=error)
            step = f"this is a defect of {self._patient.maker}; tagferry --debug doctor shows where"
            self._tell(Finding(Severity.CRITICAL, "check", f"{type(error).__name__}: {text_of(error)}", step))
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _tell(self, finding: Finding) -> None:
        with self._changed:
            self._findings.append(finding)
            self._changed.notify_all()


def table_definitions(config: AgentConfig, catalog: Catalog, clock: Clock) -> Mapping[str, str]:
    """The SQL statements that create the tables of the configuration, by sink. Raises ConfigError or PluginError."""
    components = Components(config, catalog, clock)
    made = {sink.id: components.sink(sink) for sink in config.sinks}
    return {sink_id: sink.ddl() for sink_id, sink in made.items() if isinstance(sink, DdlProvider)}


def _parts(config: AgentConfig, components: Components) -> Iterator[tuple[Patient, object]]:
    for source in config.sources:
        yield Patient("source", source.id, source.type), components.source(source)
        for transform in source.transforms:
            yield Patient("transform", source.id, transform.type), components.transform(source.id, transform)
    for sink in config.sinks:
        yield Patient("buffer", sink.id, sink.buffer.type), components.buffer(sink.id, sink.buffer)
        yield Patient("sink", sink.id, sink.type), components.sink(sink)
        if sink.fallback is not None:
            yield Patient("fallback", sink.id, sink.fallback.type), components.fallback(sink.id, sink.fallback)
    for extension in config.extensions:
        yield Patient("extension", extension.id, extension.type), components.extension(extension)


def _no_checks() -> Iterable[Finding]:
    return (Finding(Severity.OK, "configuration", "accepted; this part has no checks of its own"),)
