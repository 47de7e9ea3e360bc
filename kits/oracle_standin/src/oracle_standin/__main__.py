"""``python -m oracle_standin``: runs the stand-in until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from oracle_standin.control import start_control
from oracle_standin.errors import OraError
from oracle_standin.server import Server
from oracle_standin.sql.charset import CHARSETS, UNICODE
from oracle_standin.wire.release import RELEASES

_EPILOG = """\
It prints one line, "listening port=N control=M", and stops on SIGINT or SIGTERM. Both ports are on loopback.
It is a stand-in, not Oracle: see README.md for what it does and does not do.

examples:
  python -m oracle_standin --port 1521 --control-port 8521 --ddl tag_data.sql
  python -c "import oracledb; oracledb.connect('scott/tiger@127.0.0.1:1521/FREEPDB1').ping()"
  curl -d '{"point": "commit", "when": "after", "action": "drop"}' http://127.0.0.1:8521/faults
  curl -d '{"sql": "select count(*) from tag_data"}' http://127.0.0.1:8521/sql
  curl http://127.0.0.1:8521/counters
"""


def _user(text: str) -> tuple[str, str]:
    name, slash, password = text.partition("/")
    if not (name and slash and password):
        raise argparse.ArgumentTypeError("expected NAME/PASSWORD")
    return name, password


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m oracle_standin",
        description="A stand-in for Oracle Database that the real python-oracledb driver connects to.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default 0: any free one)")
    parser.add_argument("--control-port", type=int, default=0, help="HTTP port for faults and counters (default 0)")
    parser.add_argument("--user", type=_user, action="append", metavar="NAME/PASSWORD", help="repeatable (scott/tiger)")
    parser.add_argument("--service", default="FREEPDB1", help="the only service name it knows (default FREEPDB1)")
    parser.add_argument("--profile", choices=RELEASES, default="23", help="the release to stand in for (default 23)")
    parser.add_argument("--ddl", type=Path, action="append", default=[], metavar="FILE", help="SQL to run first")
    parser.add_argument("--count-only", action="store_true", help="count INSERTed rows; check and store nothing")
    parser.add_argument(
        "--character-set", choices=(UNICODE, *CHARSETS), default=UNICODE, help=f"of the database (default {UNICODE})"
    )
    options = parser.parse_args(arguments)
    users = dict(options.user or [("scott", "tiger")])
    server = Server(options.port, users, options.service, options.profile, options.count_only, options.character_set)
    for path in options.ddl:
        for statement in path.read_text("utf-8").split(";"):
            lines = [line for line in statement.splitlines() if not line.lstrip().startswith("--")]
            if text := "\n".join(lines).strip(" \n/"):
                try:
                    server.sql(text)
                except OraError as error:
                    print(f"{path}: {error.message}\n{text}", file=sys.stderr)
                    return 2
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    server.start()
    control = start_control(server, options.control_port)
    print(f"listening port={server.port} control={control.server_port}", flush=True)
    stop.wait()
    control.shutdown()
    control.server_close()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
