"""Oracle error numbers, their message texts, and the exceptions that end a call.

::

    Exception
    +-- OraError          answered to the client as ORA-nnnnn
    +-- Interrupted       the client sent a break (call time-out or cancel)
    +-- ConnectionLost    the peer closed or reset the connection
    +-- DropConnection    a fault rule wants the connection closed now

The texts are knowledge of the product, not copied from a running database.
"""

from __future__ import annotations

# Codes after which a real server ends the session itself.
FATAL_CODES = frozenset({28, 600, 603, 609, 1012, 1033, 1034, 1089, 1092, 2396, 3113, 3114, 3135})

MESSAGES: dict[int, str] = {
    1: "unique constraint ({name}) violated",
    28: "your session has been killed",
    54: "resource busy and acquire with NOWAIT specified or timeout expired",
    60: "deadlock detected while waiting for resource",
    900: "invalid SQL statement",
    902: "invalid datatype",
    904: "{name}: invalid identifier",
    913: "too many values",
    918: "{name}: column ambiguously defined",
    923: "FROM keyword not found where expected",
    932: "inconsistent datatypes: expected {expected} got {got}",
    937: "not a single-group group function",
    942: "table or view does not exist",
    947: "not enough values",
    955: "name is already used by an existing object",
    957: "duplicate column name",
    972: "identifier is too long",
    980: "synonym translation is no longer valid",
    1001: "invalid cursor",
    1002: "fetch out of sequence",
    1008: "not all variables bound",
    1012: "not logged on",
    1013: "user requested cancel of current operation",
    1031: "insufficient privileges",
    1033: "ORACLE initialization or shutdown in progress",
    1034: "ORACLE not available",
    1036: "illegal variable name/number",
    1086: "savepoint '{name}' never established in this session or is invalid",
    1089: "immediate shutdown or close in progress - no operations are permitted",
    1400: "cannot insert NULL into ({name})",
    1402: "view WITH CHECK OPTION where-clause violation",
    1403: "no data found",
    1407: "cannot update ({name}) to NULL",
    1408: "such column list already indexed",
    1418: "specified index does not exist",
    1426: "numeric overflow",
    1427: "single-row subquery returns more than one row",
    1438: "value larger than specified precision allowed for this column",
    1452: "cannot CREATE UNIQUE INDEX; duplicate keys found",
    1461: "can bind a LONG value only for insert into a LONG column",
    1476: "divisor is equal to zero",
    1502: "index '{name}' or partition of such index is in unusable state",
    1536: "space quota exceeded for tablespace 'USERS'",
    1653: "unable to extend table {name} by 128 in tablespace USERS",
    1702: "a view is not appropriate here",
    1722: "invalid number",
    1732: "data manipulation operation not legal on this view",
    1775: "looping chain of synonyms",
    1830: "date format picture ends before converting entire input string",
    1843: "not a valid month",
    1858: "a non-numeric character was found where a numeric was expected",
    1861: "literal does not match format string",
    1950: "no privileges on tablespace 'USERS'",
    2149: "Specified partition does not exist",
    2260: "table can have only one primary key",
    2289: "sequence does not exist",
    2290: "check constraint ({name}) violated",
    2291: "integrity constraint ({name}) violated - parent key not found",
    3001: "unimplemented feature",
    3113: "end-of-file on communication channel",
    3114: "not connected to ORACLE",
    3115: "unsupported network datatype or representation",
    3135: "connection lost contact",
    4063: "{name} has errors",
    4088: "error during execution of trigger '{name}'",
    8177: "can't serialize access for this transaction",
    12081: "update operation not allowed on table {name}",
    12514: "TNS:listener does not currently know of service requested in connect descriptor",
    12899: "value too large for column {name} (actual: {actual}, maximum: {maximum})",
    14039: "partitioning columns must form a subset of key columns of a UNIQUE index",
    14300: "partitioning key maps to a partition outside maximum permitted number of partitions",
    14400: "inserted partition key does not map to any partition",
    14402: "updating partition key column would cause a partition change",
    16000: "database or pluggable database open for read-only access",
    20001: "rejected by trigger",
    24381: "error(s) in array DML",
    28000: "The account is locked.",
    28001: "the password has expired",
    28002: "the password will expire within {days} days",
    28115: "policy with check option violation",
    28218: "password length more than 1024 bytes",
    30926: "unable to get a stable set of rows in the source tables",
    38104: "Columns referenced in the ON Clause cannot be updated: {name}",
}


class OraError(Exception):
    """An error that the client receives as ``ORA-nnnnn``.

    ``position`` is the offset that the driver reports, ``rowcount`` and ``row_counts`` what an array execution had
    done before the error, ``cursor_id`` the cursor that the client may continue to use.
    """

    def __init__(self, code: int, text: str | None = None, **fields: object) -> None:
        self.code = code
        template = MESSAGES.get(code, "error signalled by a fault rule") if text is None else None
        self.text = template.format_map(_Blank(fields)) if template is not None else text or ""
        self.position = 0
        self.rowcount = 0
        self.row_counts: list[int] | None = None
        self.cursor_id = 0
        super().__init__(self.message)

    @property
    def message(self) -> str:
        return f"ORA-{self.code:05}: {self.text}"


class _Blank(dict[str, object]):
    """Fields of a message; a missing one is shown as ``?``."""

    def __missing__(self, key: str) -> str:
        return "?"


class Interrupted(Exception):
    """The client sent a break during a call."""


class ConnectionLost(Exception):
    """The peer closed or reset the connection."""


class DropConnection(Exception):
    """A fault rule wants the connection closed; with ``rst`` by a TCP reset."""

    def __init__(self, rst: bool = False) -> None:
        super().__init__("dropped by a fault rule")
        self.rst = rst
