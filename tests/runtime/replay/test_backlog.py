"""What waits in a sink's fallback, as observers may ask."""

from agent_core.api import Diversion, DivertReason
from agent_core.testing.fakes import FakeBacklog, batch_of

from ..conftest import MakeRig


def test_the_files_of_a_fallback_are_listed(make_rig: MakeRig) -> None:
    backlog = FakeBacklog()
    backlog.divert(batch_of(1, 2, 3), Diversion(DivertReason.SINK_DOWN, 0))
    [file] = make_rig(replayable=backlog).delivery.backlog()
    assert (file.name, file.records, file.rejected) == ("backup_0.csv", 3, False)


def test_a_fallback_that_cannot_be_read_back_lists_none(make_rig: MakeRig) -> None:
    assert make_rig().delivery.backlog() == ()


def test_without_a_fallback_there_is_none(make_rig: MakeRig) -> None:
    assert make_rig(fallback=False).delivery.backlog() == ()
