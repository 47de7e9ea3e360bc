"""Codes: what is done about each code of the database or the driver, and what a person can do, as data.

Sources: the database's error messages, its list of resumable errors, and the tables in python-oracledb's errors.py.
In Thin mode the driver turns errors that end a session (ORA-00028, ORA-03113, ORA-00600 ...) into DPY-4011; in Thick
mode it does not.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class Action(Enum):
    """What is done about a code."""

    REJECT = "the row was refused for its content, or the table for its rules"
    RECONNECT = "the session is lost"
    BACK_OFF = "the database is unreachable or busy"
    THROTTLE = "the database is full, read-only or damaged"
    LOCK_OUT = "the log-in was refused"
    MISCONFIGURED = "the table, a privilege, a column or an option is wrong"
    TRIGGER = "raised by the plant's own code in the database"
    UNKNOWN = "not in the table"


def _ora(*numbers: int) -> tuple[str, ...]:
    return tuple(f"ORA-{number:05}" for number in numbers)


def _dpy(*numbers: int) -> tuple[str, ...]:
    return tuple(f"DPY-{number:04}" for number in numbers)


DUPLICATE: Final = "ORA-00001"
NO_TABLE: Final = "ORA-00942"
ABSENT: Final = frozenset({NO_TABLE, *_ora(980, 1775)})
"""There is no such table or view, or the account may not know of it; behind a synonym it is ORA-00980 or 1775."""

NO_CONNECTION: Final = "DPY-6005"
CALL_TIMEOUT: Final = "DPY-4024"
NO_PARTITION: Final = "ORA-14400"
WRONG_CREDENTIALS: Final = "ORA-01017"
EXPIRES_SOON: Final = "ORA-28002"

ROLLED_BACK: Final = frozenset(_ora(2091, 12008))
"""The answers to COMMIT that say that the transaction was rolled back: the only failed commits that are not ambiguous.
A deferred constraint, and a materialized view that is refreshed at COMMIT."""

NULL_REFUSED: Final = frozenset(_ora(1400, 1407))

CLIENT_ENCODING: Final = frozenset(_dpy(3002, 3003, 3013, 4003, 4004, 4009, 4010))
"""Raised by the driver before anything is sent: the whole batch fails, and no offset says which row failed."""

WRAPPERS: Final = frozenset(_ora(604, 2002, 2091, 8243, 12801))
"""Name no cause: the message goes on with the code of the statement that failed inside (recursive SQL, the audit
trail, a new interval partition, a parallel server, a constraint that is checked at COMMIT)."""

_TABLE: Final[dict[Action, tuple[str, ...]]] = {
    Action.REJECT: (
        *_ora(1400, 1401, 1402, 1407, 1426, 1438, 1461, 1722, 1830, 1841, 1843, 1847, 1858, 1861),
        *_ora(2290, 2291, 12713, 12899, 14300, 14401, 28115),
        *CLIENT_ENCODING,
    ),
    Action.RECONNECT: (
        *_ora(22, 28, 31, 600, 603, 609, 1000, 1012, 1041, 1092, 3113, 3114, 3135, 7445),
        *_ora(2390, 2392, 2394, 2396, 2397, 2399, 4036, 12571, 12572, 12573, 56600),
        *_dpy(1001, 1002, 4011, 4033, 5000, 5001, 5002, 5003, 5004, 5005, 5006),
        "DPI-1010",
        "DPI-1080",
    ),
    Action.BACK_OFF: (
        # connecting
        *_ora(18, 20, 1033, 1034, 1035, 1089, 1090, 1109, 2391, 12170, 12500, 12504, 12505, 12506, 12514, 12516),
        *_ora(12518, 12519, 12520, 12521, 12526, 12527, 12528, 12529, 12535, 12537, 12540, 12541, 12543, 12545, 12547),
        *_ora(12549, 12560, 12599, 12637, 12650, 12660, 12757, 28547),
        *_dpy(4005, 6000, 6001, 6003, 6004, 6005),
        # executing
        *_ora(40, 51, 54, 55, 60, 1013, 1555, 1574, 1591, 2049, 2393, 2395, 4020, 4021, 4022, 4025, 4027, 4061, 4065),
        *_ora(4068, 8177, 12805, 14403, 25402, 25408, 29771, 30006),
        CALL_TIMEOUT,
        "DPI-1067",
    ),
    Action.THROTTLE: (
        # full
        *_ora(257, 1536, 1562, 1565, 1628, 1631, 1632, 1650, 1652, 1653, 1654, 1655, 1658, 1659, 1680, 1683, 1684),
        *_ora(1685, 1688, 1691, 1692, 3233, 3234, 4030, 4031, 19809, 30032, 30036, 60019, 65114),
        # read-only, offline, damaged
        *_ora(372, 376, 1110, 1114, 1115, 1410, 1502, 1578, 1647, 8102, 8103, 12081, 14466, 16000, 16397, 16456),
        *_ora(19502, 26026, 27072, 28365, 28374),
    ),
    Action.LOCK_OUT: (*_ora(1005, 1017, 1045, 28000, 28001, 28003, 28150), *_dpy(2033, 3015, 4001)),
    Action.MISCONFIGURED: (
        # the table and what belongs to it
        *ABSENT,
        *_ora(439, 904, 913, 947, 1732, 1733, 1747, 1779, 2289, 4063, 4091, 4098, 6508, 8004, 12008, 14450, 28113),
        *_ora(28132, 30657, 32795, 38913, 42399, 54013),
        NO_PARTITION,
        # privileges, roles, the address, the client
        *_ora(1031, 1950, 12154, 28030, 28040, 28043, 41900, 46952, 65162),
        *_dpy(2017, 2018, 2019, 2049, 2053, 3001, 3010, 4000, 4017, 4018, 4021, 4026, 4027, 6002, 6006),
        "DPI-1047",
        "DPI-1072",
    ),
    Action.TRIGGER: (*_ora(4088), *_ora(*range(20000, 21000))),
}
ACTIONS: Final = {code: action for action, codes in _TABLE.items() for code in codes}

_DAMAGED: Final = "ask the DBA to repair what the message names; the records wait"
_EXTEND: Final = "ask the DBA to extend the tablespace"
_FILE: Final = "ask the DBA to bring the data file back online"
_GRANT: Final = "ask the DBA for SELECT and INSERT on the table"
_KEYSTORE: Final = "ask the DBA to open the keystore (wallet) of the database"
_PARTITIONS: Final = (
    "add partitions to the table (INTERVAL creates them automatically); the records wait and go in then"
)
_ENCRYPTION: Final = (
    "the database demands Native Network Encryption or checksums, which only Thick mode has: set thick:, or ask "
    "the DBA for a tcps address"
)
_PRIMARY: Final = "the database is open read-only: point dsn: at the primary"
_QUOTA: Final = "ask the DBA for quota on the tablespace"
_REDO: Final = "free or enlarge the archive log destination"
_SYNONYM: Final = "the synonym leads to no table: ask the DBA to create the table or the synonym again"
_VIEW: Final = "the view cannot take rows: set table: to its base table"
_GENERATED: Final = "the database fills this column itself: take it out of columns:"

NEXT_STEPS: Final = {
    "ORA-00018": "ask the DBA to raise SESSIONS, or to end sessions that nobody uses",
    "ORA-00020": "ask the DBA to raise PROCESSES, or to end sessions that nobody uses",
    "ORA-00257": _REDO,
    "ORA-00372": "ask the DBA to make the tablespace writable again",
    "ORA-00376": _FILE,
    "ORA-00439": "ask the DBA: the database does not have a feature that the table uses",
    "ORA-00600": "ask the DBA for the trace file",
    "ORA-00904": "check columns: against the table",
    "ORA-00913": "check columns: against the table",
    "ORA-00942": "check table:, or ask for SELECT and INSERT on it",
    "ORA-00947": "check columns: against the table",
    "ORA-00980": _SYNONYM,
    "ORA-01005": "set password:; it is read again at each probe",
    "ORA-01017": "check user: and password:; a new password needs no restart",
    "ORA-01031": _GRANT,
    "ORA-01045": "ask the DBA for CREATE SESSION",
    "ORA-01110": _FILE,
    "ORA-01114": _FILE,
    "ORA-01115": _FILE,
    "ORA-01400": "map the column in columns:, or give it a DEFAULT",
    "ORA-01410": _DAMAGED,
    "ORA-01502": "ask the DBA to rebuild the index",
    "ORA-01536": _QUOTA,
    "ORA-01562": "ask the DBA to extend the undo tablespace",
    "ORA-01565": _FILE,
    "ORA-01578": "ask the DBA to recover the damaged block",
    "ORA-01591": "ask the DBA to settle the transaction in DBA_2PC_PENDING",
    "ORA-01628": "ask the DBA to extend the undo tablespace",
    "ORA-01631": "ask the DBA to raise MAXEXTENTS",
    "ORA-01632": "ask the DBA to raise MAXEXTENTS",
    "ORA-01647": "ask the DBA to make the tablespace writable again",
    **dict.fromkeys(_ora(1650, 1652, 1653, 1654, 1655, 1658, 1659, 1680, 1683, 1684, 1685, 1688, 1691, 1692), _EXTEND),
    "ORA-01732": _VIEW,
    "ORA-01733": _VIEW,
    "ORA-01747": "check columns: against the table",
    "ORA-01775": _SYNONYM,
    "ORA-01779": _VIEW,
    "ORA-01950": _QUOTA,
    "ORA-02091": "ask the DBA to make the constraint NOT DEFERRABLE",
    "ORA-02289": "check the sequence in columns:",
    "ORA-02391": "ask the DBA to raise SESSIONS_PER_USER, or lower pool: max:",
    "ORA-02396": "ask the DBA to raise IDLE_TIME in the account's profile",
    "ORA-02399": "ask the DBA to raise CONNECT_TIME in the account's profile",
    **dict.fromkeys(_ora(3233, 3234), _EXTEND),
    "ORA-04030": "ask the DBA for more memory for the server process",
    "ORA-04031": "ask the DBA to enlarge the shared pool",
    "ORA-04063": "ask the DBA to compile the view or trigger",
    "ORA-04088": "ask the DBA to fix the trigger",
    "ORA-04091": "ask the DBA to fix the trigger: it reads the table that it belongs to",
    "ORA-04098": "ask the DBA to fix and compile the trigger",
    "ORA-06508": "ask the DBA to compile the package that the trigger uses",
    "ORA-08004": "ask the DBA to raise the sequence's MAXVALUE",
    "ORA-08102": "ask the DBA to rebuild the index",
    "ORA-08103": _DAMAGED,
    "ORA-12008": "ask the DBA to fix the materialized view, or to refresh it ON DEMAND",
    "ORA-12081": "table: is a read-only table or materialized view: ask the DBA to make it READ WRITE",
    "ORA-12154": "check dsn: and config_dir: (tnsnames.ora)",
    "ORA-12506": "ask the DBA to let this host and service through the listener's access control list",
    **dict.fromkeys(_ora(12599, 12637, 12650, 12660), _ENCRYPTION),
    "ORA-14400": _PARTITIONS,
    "ORA-14450": "table: is a temporary table in use, which keeps no records: set table: to an ordinary one",
    "ORA-14466": "ask the DBA to make the partition READ WRITE",
    "ORA-16000": _PRIMARY,
    "ORA-16397": _PRIMARY,
    "ORA-16456": "a switch-over is under way: point dsn: at both databases",
    "ORA-19502": _REDO,
    "ORA-19809": _REDO,
    "ORA-26026": "ask the DBA to rebuild the index",
    "ORA-27072": _DAMAGED,
    "ORA-28000": "ask the DBA to unlock the account",
    "ORA-28001": "change the password in the database and in password:",
    "ORA-28003": "choose a password that the account's profile accepts",
    "ORA-28030": "ask the DBA: the account is authenticated by a directory that refuses it",
    "ORA-28040": (
        "the database demands newer clients: ask the DBA about SQLNET.ALLOWED_LOGON_VERSION_SERVER and the account's "
        "password versions, or set thick: with a newer Oracle Client"
    ),
    "ORA-28043": "ask the DBA: the database cannot reach the directory that authenticates accounts",
    **dict.fromkeys(_ora(28113, 28132), "ask the DBA to correct the row-level security policy on the table"),
    "ORA-28150": "ask the DBA for ALTER USER target GRANT CONNECT THROUGH proxy (user: proxy[target])",
    "ORA-28365": _KEYSTORE,
    "ORA-28374": _KEYSTORE,
    "ORA-30032": "ask the DBA to extend the undo tablespace",
    "ORA-30036": "ask the DBA to extend the undo tablespace",
    "ORA-30657": "table: is an external table, which takes no rows: correct table:",
    "ORA-32795": _GENERATED,
    "ORA-38913": "check table:: it is an external or read-only object",
    "ORA-41900": _GRANT,
    "ORA-42399": "the view is read-only: set table: to its base table",
    "ORA-46952": "ask the DBA for a supported client version",
    "ORA-54013": _GENERATED,
    "ORA-60019": _EXTEND,
    "ORA-65114": "ask the DBA to raise MAX_PDB_STORAGE or MAXSIZE of the pluggable database",
    "ORA-65162": "change the password of the common user in the root container",
    "DPI-1047": "install Oracle Client, or correct thick: lib_dir:",
    "DPI-1072": "install a newer Oracle Client",
    "DPY-2017": "a process loads one Oracle Client: set the same thick: for every oracle_sink",
    "DPY-2018": "put ewallet.pem into the folder of wallet_location:, or correct it",
    "DPY-2019": "a process is either thin or thick: set the same thick: for every oracle_sink",
    "DPY-2033": "the access token has expired: renew it",
    "DPY-2049": "write dsn: as host:port/service",
    "DPY-2053": "a process is either thin or thick: set the same thick: for every oracle_sink",
    "DPY-3001": "the database requires a feature of Thick mode: set thick:",
    "DPY-3010": "the database is older than 12.1: set thick:",
    "DPY-3015": "the account has only an old password verifier: set its password again, or set thick:",
    "DPY-4000": "check dsn: and config_dir: (tnsnames.ora)",
    "DPY-4001": "set user: and password:",
    "DPY-4017": "write dsn: as host:port/service",
    "DPY-4018": "correct dsn:, or the entry in tnsnames.ora",
    "DPY-4021": "correct the protocol in dsn: (tcp or tcps)",
    CALL_TIMEOUT: (
        "the statement waited: ask the DBA about row locks (V$SESSION.BLOCKING_SESSION), a full tablespace under "
        "RESUMABLE_TIMEOUT (DBA_RESUMABLE) and a full archive log destination, or raise timeouts: call:"
    ),
    "DPY-4026": "tnsnames.ora was not found: check config_dir:",
    "DPY-4027": "set config_dir: to the folder of tnsnames.ora, or write dsn: as host:port/service",
    "DPY-6001": "check the service name in dsn:; a starting database registers it within a minute",
    "DPY-6002": "the server's certificate is for another name: check the address in dsn:",
    "DPY-6005": "check host and port in dsn:, and whether the listener runs (lsnrctl status)",
    "DPY-6006": "check wallet_location: and the server's certificate",
}

RULE_STEPS: Final = {
    "ORA-01402": "ask the DBA about the view's WITH CHECK OPTION, or set table: to its base table",
    "ORA-02290": "ask the DBA about the CHECK constraint that the message names",
    "ORA-02291": "fill the table that the foreign key refers to, or ask the DBA about the constraint",
    "ORA-12899": "widen the column, or correct columns:",
    "ORA-28115": "ask the DBA about the row-level security policy on the table",
}
"""For a code that speaks of a row, when the table refuses every row with it."""
