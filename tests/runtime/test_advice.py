"""What a sink advises while it runs is part of its status."""

from __future__ import annotations

from collections.abc import Sequence

from agent_core.api import Finding, Severity
from agent_core.testing.fakes import FakeSink

from .conftest import MakeRig

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
