"""The whole table of Oracle's codes: what the sink does about each, and which state the core enters for it.

Written out from the database's and the driver's documentation, not from the sink's own table.
"""

import pytest
from oracle_sink.session.errors import Action, action_of, failure

from agent_core.api import SinkState
from agent_core.runtime.delivery.sink_gate import ProbeIntervals

ROWS = (12899, 1401, 1438, 1722, 1400, 1407, 2290, 2291, 1830, 1841, 1843, 1847, 1858, 1861, 14400, 14300, 14401, 1461)
ROWS_DRIVER = (3002, 3003, 3013, 4003, 4004, 4009, 4010)
LOST_DRIVER = (4011, 4033, 1001, 5000, 5001, 5002, 5003, 5004, 5005, 5006)
LOST = (12571, 28, 603, 609, 1012, 1092, 2396, 3113, 3114, 3135)
AWAY_DRIVER = (6005, 6000, 6001, 6003, 6004, 4005)
AWAY = (
    1033, 1034, 1035, 1089, 1090, 1109, 12170, 12514, 12516, 12518, 12519, 12520, 12521, 12526, 12527, 12528, 12535,
    12537, 12541, 12543, 12545, 12547, 12560, 12757, 28547, 18, 20, 2391,
)  # fmt: skip
BUSY_DRIVER = (4024,)
BUSY = (1013, 60, 54, 2049, 4020, 4021, 8177, 4061, 4065, 4068, 1555, 25402, 25408)
FULL = (1653, 1654, 1652, 1658, 1688, 1691, 1631, 1632, 1536, 30036, 257, 19809, 4030, 4031, 16000)
REFUSED = (1017, 28000, 28001, 1045, 28003, 1031, 1950)
REFUSED_DRIVER = (4001, 3015, 2033)
WRONG = (942, 904, 913, 947, 12154, 38913)
WRONG_DRIVER = (4000, 4017, 4018, 4026, 4027, 6002, 6006, 2018, 3001, 3010)
TRIGGERS = (4088, 20000, 20001, 20500, 20999)
UNKNOWN = (1, 21000, 19999, 99999)

TABLE: list[tuple[tuple[int, ...], tuple[int, ...], Action, SinkState]] = [
    (ROWS, ROWS_DRIVER, Action.REJECT, SinkState.DOWN),
    (LOST, LOST_DRIVER, Action.RECONNECT, SinkState.DOWN),
    ((*AWAY, *BUSY), (*AWAY_DRIVER, *BUSY_DRIVER), Action.BACK_OFF, SinkState.DOWN),
    (FULL, (), Action.THROTTLE, SinkState.THROTTLED),
    (REFUSED, REFUSED_DRIVER, Action.LOCK_OUT, SinkState.LOCKED_OUT),
    (WRONG, WRONG_DRIVER, Action.MISCONFIGURED, SinkState.MISCONFIGURED),
    (TRIGGERS, (), Action.TRIGGER, SinkState.DOWN),
    (UNKNOWN, (), Action.UNKNOWN, SinkState.DOWN),
]
CASES = [
    pytest.param(code, action, state, id=f"{code}-{action.name.lower()}")
    for database, driver, action, state in TABLE
    for code in [*(f"ORA-{number:05}" for number in database), *(f"DPY-{number:04}" for number in driver)]
]


@pytest.mark.parametrize(("code", "action", "state"), CASES)
def test_each_code_has_its_action_and_leads_to_its_state(code: str, action: Action, state: SinkState) -> None:
    """The state is the one entered when the retries are used up and no single row is to blame."""
    assert action_of(code) is action
    entered, _ = ProbeIntervals(normal=30, slow=60).after(failure(code, "message", "insert"))
    assert entered is state


def test_no_code_stands_in_two_rows() -> None:
    codes = [case.values[0] for case in CASES]
    assert len(codes) == len(set(codes)) > 120
