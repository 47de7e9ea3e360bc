"""What a sink advises while it runs, and after an error, is part of its status."""

from __future__ import annotations

from collections.abc import Sequence

from agent_core.api import AuthenticationError, Finding, Severity, SinkState
from agent_core.testing.fakes import FakeSink, batch_of

from ..conftest import MakeRig

EXPIRES = Finding(Severity.WARNING, "account", "the password expires in 3 days", "have it changed")


class AdvisingSink(FakeSink):
    def __init__(self) -> None:
        super().__init__()
        self.findings: list[Finding] = []

    def advice(self) -> Sequence[Finding]:
        return self.findings


def test_the_status_has_the_advice_of_a_sink_for_as_long_as_it_stands(make_rig: MakeRig) -> None:
    sink = AdvisingSink()
    delivery = make_rig(sink=sink).delivery
    assert delivery.status().advice == ()
    sink.findings.append(EXPIRES)
    assert delivery.status().advice == (EXPIRES,)
    sink.findings.clear()
    assert delivery.status().advice == ()


def test_a_sink_without_advice_is_fine(make_rig: MakeRig) -> None:
    assert make_rig().delivery.status().advice == ()


def test_the_next_step_of_the_last_error_stands_beside_it(make_rig: MakeRig) -> None:
    step = "ask the DBA to unlock the account"
    sink = FakeSink()
    sink.script.append(AuthenticationError(f"ORA-28000: the account is locked ({step})", next_step=step))
    rig = make_rig(sink=sink).start().accept(batch_of(*range(10)))
    rig.observer.wait_for("batch_failed")
    status = rig.delivery.status()
    assert (status.state, status.next_step) == (SinkState.LOCKED_OUT, step)
    assert status.last_error is not None
    assert status.last_error.endswith(f"({step})")
