"""The whole table of Oracle's codes: what the sink does about each, which state the core enters, and the next step.

Written out from the database's and the driver's documentation, not from the sink's own table.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from oracle_sink.plugin import agent_register_sink
from oracle_sink.session.codes import NO_PARTITION, Action
from oracle_sink.session.errors import action_of, failure
from oracle_sink.sink import OracleSink
from oracle_standin.process import Standin

from agent_core.api import Batch, ComponentContext, Config, Origin, Secret, SinkError, SinkState, WriteOutcome
from agent_core.api.document import PathKey
from agent_core.config.schema.applicable import SchemaWalk
from agent_core.config.schema.conversion import convert
from agent_core.runtime.delivery.sink_gate import ProbeIntervals
from agent_core.testing.clock import START_NS, ManualClock

ROWS = (
    12899, 1401, 1402, 1438, 1426, 1722, 1400, 1407, 2290, 2291, 1830, 1841, 1843, 1847, 1858, 1861, 12713, 14300,
    14401, 1461, 28115,
)  # fmt: skip
ROWS_DRIVER = (3002, 3003, 3013, 4003, 4004, 4009, 4010)
LOST_DRIVER = (4011, 4033, 1001, 5000, 5001, 5002, 5003, 5004, 5005, 5006)
LOST = (
    12571, 12572, 12573, 22, 31, 1000, 1041, 2390, 2392, 2394, 2396, 2397, 2399, 4036, 56600, 28, 600, 603, 609, 1012,
    1092, 3113, 3114, 3135, 7445,
)  # fmt: skip
AWAY_DRIVER = (6005, 6000, 6001, 6003, 6004, 4005)
AWAY = (
    1033, 1034, 1035, 1089, 1090, 1109, 12170, 12500, 12504, 12505, 12506, 12514, 12516, 12518, 12519, 12520, 12521,
    12526, 12527, 12528, 12529, 12535, 12537, 12540, 12541, 12543, 12545, 12547, 12549, 12560, 12599, 12637, 12650,
    12660, 12757, 28547, 18, 20, 2391,
)  # fmt: skip
BUSY_DRIVER = (4024,)
BUSY = (
    1013, 40, 51, 54, 55, 60, 1555, 1574, 1591, 2049, 2393, 2395, 4020, 4021, 4022, 4025, 4027, 4061, 4065, 4068, 8177,
    12805, 14403, 25402, 25408, 29771, 30006,
)  # fmt: skip
FULL = (
    1536, 1562, 1565, 1628, 1631, 1632, 1650, 1652, 1653, 1654, 1655, 1658, 1659, 1680, 1683, 1684, 1685, 1688, 1691,
    1692, 3233, 3234, 30032, 30036, 60019, 65114, 257, 19809, 4030, 4031,
)  # fmt: skip
DAMAGED = (
    372, 376, 1110, 1114, 1115, 1410, 1502, 1578, 1647, 8102, 8103, 12081, 14466, 16000, 16397, 16456, 19502, 26026,
    27072, 28365, 28374,
)  # fmt: skip
REFUSED = (1017, 1005, 28000, 28001, 1045, 28003, 28150)
REFUSED_DRIVER = (4001, 3015, 2033)
WRONG = (
    942, 904, 913, 947, 1031, 1950, 41900, 12154, 38913, 1732, 1733, 1747, 1779, 30657, 439, 32795, 54013, 2289, 4063,
    4091, 4098, 6508, 8004, 12008, 14400, 28030, 28040, 28043, 46952, 65162,
)  # fmt: skip
WRONG_DRIVER = (4000, 4017, 4018, 4021, 4026, 4027, 6002, 6006, 2017, 2018, 2019, 2049, 2053, 3001, 3010)
TRIGGERS = (4088, 20000, 20001, 20500, 20999)
UNKNOWN = (1, 21000, 19999, 99999)
WRAPPERS = (604, 2002, 8243, 12801)

TABLE: list[tuple[tuple[int, ...], tuple[int, ...], Action, SinkState]] = [
    (ROWS, ROWS_DRIVER, Action.REJECT, SinkState.DOWN),
    (LOST, LOST_DRIVER, Action.RECONNECT, SinkState.DOWN),
    ((*AWAY, *BUSY), (*AWAY_DRIVER, *BUSY_DRIVER), Action.BACK_OFF, SinkState.DOWN),
    ((*FULL, *DAMAGED, *WRAPPERS), (), Action.THROTTLE, SinkState.THROTTLED),
    (REFUSED, REFUSED_DRIVER, Action.LOCK_OUT, SinkState.LOCKED_OUT),
    (WRONG, WRONG_DRIVER, Action.MISCONFIGURED, SinkState.MISCONFIGURED),
    (TRIGGERS, (), Action.TRIGGER, SinkState.DOWN),
    (UNKNOWN, (), Action.UNKNOWN, SinkState.DOWN),
]
CASES = [
    (code, action, state)
    for database, driver, action, state in TABLE
    for code in [*(f"ORA-{number:05}" for number in database), *(f"DPY-{number:04}" for number in driver)]
]
PERSON_NEEDED = {SinkState.THROTTLED, SinkState.LOCKED_OUT, SinkState.MISCONFIGURED}


def state_after(code: str, message: str = "message") -> SinkState:
    """The state when the retries are used up and no single row is to blame."""
    return ProbeIntervals(normal=30, slow=60).after(failure(code, message, "insert"))[0]


def test_each_code_has_its_action_leads_to_its_state_and_where_a_person_is_needed_says_the_next_step() -> None:
    wrong = [
        (code, action_of(code).name, state_after(code).name)
        for code, action, state in CASES
        if action_of(code) is not action or state_after(code) is not state
    ]
    assert wrong == []
    silent = {code for code, _, state in CASES if state in PERSON_NEEDED and failure(code, "x", "y").next_step is None}
    assert silent == {f"ORA-{number:05}" for number in WRAPPERS}  # what is inside knows the next step


def test_no_code_stands_in_two_rows() -> None:
    codes = [code for code, _, _ in CASES]
    assert len(codes) == len(set(codes)) > 220


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_code_that_wraps_another_is_judged_by_the_one_inside(wrapper: int) -> None:
    outer = f"ORA-{wrapper:05}"
    wrong = []
    for code, action, state in CASES:
        if code in {f"ORA-{number:05}" for number in (*WRAPPERS, 21000, 19999, 99999)}:
            continue
        message = f"{outer}: error occurred at recursive SQL level 1\n{code}: something"
        expected = Action.TRIGGER if action is Action.REJECT or code == "ORA-00001" else action
        if action_of(outer, message) is not expected or state_after(outer, message) is not state:
            wrong.append((code, action_of(outer, message).name))
    assert wrong == []
    assert action_of(outer, f"{outer}: error\nORA-99999: what nobody knows") is Action.THROTTLE


# ---- on the wire (stand-in, not Oracle)

TAG_DATA = """CREATE TABLE tag_data (
    tag_name VARCHAR2(100) NOT NULL, tag_value VARCHAR2(255) NOT NULL, timestamp TIMESTAMP(6) NOT NULL,
    quality VARCHAR2(20) NOT NULL, CONSTRAINT pk_tag_data PRIMARY KEY (tag_name, timestamp))"""

A_COLUMN = 'of ("SCOTT"."TAG_DATA"."TAG_VALUE")'
ON_THE_WIRE = [(code, action, state) for code, action, state in CASES if code.startswith("ORA-")]
"""The database's own codes; those of the driver come from no server."""


@pytest.fixture(scope="module", params=["19", "23"])
def database(request: pytest.FixtureRequest) -> Iterator[Standin]:
    with Standin(profile=request.param, ddl=[TAG_DATA]) as standin:
        yield standin


@pytest.fixture
def sink(database: Standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OracleSink]:
    """It has stored a record, and keeps its session whatever the code is: hundreds of log-ins would take long."""
    database.reset()
    database.sql("TRUNCATE TABLE tag_data")
    for module in ("array_dml", "transaction"):
        monkeypatch.setattr(f"oracle_sink.write.{module}.connection_is_lost", lambda code, text="": False)

    def secret(path: PathKey, text: str) -> Secret:
        return Secret(lambda: text)

    factory = agent_register_sink()
    account = {"dsn": database.dsn, "user": database.user, "password": database.password}
    config = cast(Config, convert(SchemaWalk(factory.schema), account, tmp_path, secret))
    made = cast(OracleSink, factory.create(config, ComponentContext("s", "a", tmp_path, "oracle_sink", ManualClock())))
    made.open()
    made.write(batch(-1))
    yield made
    made.close()


def batch(number: int) -> Batch:
    return Batch.of(Origin("s", "d", "g"), ("A", "B", "C"), (1.0, 2.0, 3.0), START_NS + 1000 * number)


def mistake(sink: OracleSink, number: int, code: str, state: SinkState) -> str | None:
    """What is wrong when the batch fails as a whole and then goes in; None if nothing is."""
    wrong = None
    try:
        return f"{code} did not fail: {sink.write(batch(number))}"
    except SinkError as error:
        entered, _ = ProbeIntervals(normal=30, slow=60).after(error)
        step = failure(error.code or "", "", "").next_step
        if entered is not state or (step and error.next_step != step) or not isinstance(error.code, str):
            wrong = f"{code} leads to {entered.name}, {error.next_step}: {error}"
    again = sink.write(batch(number))
    return wrong if again == WriteOutcome(inserted=3) else f"{code} and then {again}"


def test_each_code_of_a_statement_leads_to_its_state_and_costs_no_record(sink: OracleSink, database: Standin) -> None:
    """A code that blames rows: halves of the batch are tried, and here go in."""
    plan = [(int(code[4:]), 0, 0)[: 3 if action is Action.REJECT else 2] for code, action, _ in ON_THE_WIRE]
    database.fault("execute", "ora", codes=sum(plan, ()), match="insert", times=0)
    mistakes = []
    for number, (code, action, state) in enumerate(ON_THE_WIRE):
        if action is not Action.REJECT:
            mistakes.append(mistake(sink, number, code, state))
        elif (outcome := sink.write(batch(number))) != WriteOutcome(inserted=3):
            mistakes.append(f"{code}: {outcome}")
    assert [text for text in mistakes if text] == []
    assert database.tables() == {"SCOTT.TAG_DATA": 3 * len(ON_THE_WIRE) + 3}


def test_each_code_of_a_row_leads_to_its_state_or_rejects_that_row_alone(sink: OracleSink, database: Standin) -> None:
    """ORA-00001 is another unique index here, and ORA-14400 a missing LIST partition: others of that time go in."""
    of_rows = [c for c, action, _ in ON_THE_WIRE if action is Action.REJECT or c in ("ORA-00001", NO_PARTITION)]
    of_all = [code for code, _, _ in ON_THE_WIRE]
    plan = [(int(code[4:]), 0)[: 1 if code in of_rows else 2] for code, _, _ in ON_THE_WIRE]
    plan.insert(of_all.index(NO_PARTITION), (int(NO_PARTITION[4:]),))  # tried twice: the partition may have come
    database.fault("execute", "ora", codes=sum(plan, ()), match="insert", value="^B$", times=0, message=A_COLUMN)
    mistakes = []
    for number, (code, _, state) in enumerate(ON_THE_WIRE):
        if code not in of_rows:
            mistakes.append(mistake(sink, number, code, state))
            continue
        try:
            outcome = sink.write(batch(number))
        except SinkError as error:
            mistakes.append(f"{code}: {error}")
            continue
        if [(rejection.position, rejection.code) for rejection in outcome.rejected] != [(1, code)]:
            mistakes.append(f"{code}: {outcome}")
    assert [text for text in mistakes if text] == []
    assert database.tables() == {"SCOTT.TAG_DATA": 3 * len(ON_THE_WIRE) + 3 - len(of_rows)}


def test_each_code_that_blames_rows_blames_the_table_when_it_takes_no_row(sink: OracleSink, database: Standin) -> None:
    """It is the answer to the batch and to the witnesses."""
    codes = [code for code, action, _ in ON_THE_WIRE if action in (Action.REJECT, Action.TRIGGER)] + [NO_PARTITION]
    plan = [(int(code[4:]), int(code[4:]), 0) for code in codes]
    database.fault("execute", "ora", codes=sum(plan, ()), match="insert", value=".", times=0, message=A_COLUMN)
    mistakes = [mistake(sink, number, code, SinkState.MISCONFIGURED) for number, code in enumerate(codes)]
    assert [text for text in mistakes if text] == []
