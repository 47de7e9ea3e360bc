"""Watermark: settles what became of a commit whose answer was lost, for a table without a key.

Each thread that writes has a row of its own in a small table. Every transaction ends by storing in it the token of its
batch, so the token is there if, and only if, the rows are::

    INSERT ... ; UPDATE watermark SET token = 'T2' WHERE writer = 'line-1/warehouse/1' AND token = 'T1'; COMMIT
                                                                               | answer lost
    the records come again, in whatever batch:                                 v
        lock the row (waits while the server has the old transaction open), read the token
            T2 --> committed: they are duplicates
            T1 --> rolled back: insert them
            else, somebody else writes under this name: unknown, insert them and say so

A writer whose commit is not settled is not used until it is; its thread gets another. After the death of a process, the
token in the row tells the next one whether a batch that it writes again was the last of that writer.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from agent_core.api import Batch, ComponentContext, ConfigurationError, RetryableError, SinkError
from oracle_sink.session.codes import ABSENT, DUPLICATE
from oracle_sink.session.connections import Session
from oracle_sink.session.driver import DRIVER_ERRORS
from oracle_sink.session.errors import code_of, text_of, translate
from oracle_sink.session.soundness import connection_is_lost
from oracle_sink.table.identifiers import TableName
from oracle_sink.write.unsettled import Unsettled, UnsettledFiles, batch_digest, record_digests

_MOST_UNSETTLED: Final = 256
_MOST_WRITERS: Final = 1000
_NOTHING: Final = "-"
"""The token of a writer that has not written yet."""

_REFUSED: Final = ABSENT | {"ORA-00904", "ORA-01031", "ORA-41900"}
"""The table, a column or a privilege is missing."""

_LONGEST_TOKEN: Final = 1000
_TOO_MANY: Final = "*"
"""More records of the batch were rejected than a token can name: it cannot be recognised after a restart."""


def statements(table: TableName) -> tuple[str, str, str]:
    """The INSERT of a writer's row (once), the UPDATE at the end of each transaction, and the SELECT of its token."""
    return (
        f"INSERT INTO {table.sql} (writer, token, written_at) VALUES (:1, :2, SYSTIMESTAMP)",  # noqa: S608
        f"UPDATE {table.sql} SET token = :1, written_at = SYSTIMESTAMP WHERE writer = :2 AND token = :3",  # noqa: S608
        f"SELECT token FROM {table.sql} WHERE writer = :1",  # noqa: S608
    )


def failure_of(table: TableName, error: BaseException) -> SinkError:
    """The error of the contract for what the driver raised about the watermark table."""
    code = code_of(error)
    if code not in _REFUSED:
        return translate(error, f"watermark {table}")
    step = "check watermark:, create the table with ddl/watermark.sql, or ask for SELECT, INSERT and UPDATE on it"
    return ConfigurationError(f"watermark {table}: {text_of(error)} ({step})", code=code, next_step=step)


@dataclass(slots=True)
class Writer:
    """A row of the watermark table, and the token that it has unless somebody else has changed it."""

    name: str
    token: str


class Mark:
    """The watermark of one transaction: ``put``, then either ``committed`` or ``unanswered``.

    ``known``: positions of records that are in the table already.
    """

    def __init__(
        self,
        watermark: Watermark,
        batch: Batch,
        digest: str,
        writer: Writer,
        known: frozenset[int],
        used: Sequence[tuple[Unsettled, Counter[str]]],
    ) -> None:
        self._watermark = watermark
        self._batch = batch
        self._digest = digest
        self._writer = writer
        self._used = used
        self._token = digest
        self.known = known

    def put(self, session: Session, rejected: Iterable[int]) -> None:
        """The last statement of the transaction; ``rejected``: positions of records that are not in it."""
        self._token = _token(self._digest, rejected)
        self._watermark.put(session, self._writer, self._token)

    def committed(self) -> None:
        """The transaction is durable."""
        self._watermark.committed(self._writer, self._token, self._digest, self._used)

    def unanswered(self, inserted: Iterable[int]) -> None:
        """The answer to the commit was lost; ``inserted``: positions of the records that it concerns."""
        commit = Unsettled.of(self._batch, inserted, self._writer.name, self._writer.token, self._token)
        self._watermark.unanswered(self._writer, commit)


class Watermark:
    """The writers of one sink, and its commits without an answer. Thread-safe. Raises SinkError."""

    def __init__(self, table: TableName, context: ComponentContext, target: TableName) -> None:
        self._table = table
        self._insert, self._update, self._select = statements(table)
        self._log = context.log
        self._sink = context.component_id
        self._prefix = f"{context.agent_name}/{context.component_id}"
        self._files = UnsettledFiles(context.state_dir, context.component_id, str(target))
        self._lock = threading.RLock()
        self._loaded = False
        self._numbers = 0
        self._writers: dict[int, Writer] = {}  # by thread
        self._free: list[Writer] = []
        self._unsettled: list[Unsettled] = []
        self._last: dict[str, frozenset[int]] = {}
        """The batches that earlier processes wrote last: by digest, which of their records were rejected."""

    def mark(self, session: Session, batch: Batch) -> Mark:
        """Find out which records of a batch are in the table; before its transaction has begun.

        Costs no round trip unless a commit is unsettled that concerns the batch, or this is the thread's first batch.
        """
        with self._lock:
            if not self._loaded:
                self._load(session)
            unsettled = [commit for commit in self._unsettled if commit.concerns(batch)]
        digest = batch_digest(batch)
        known: set[int] = set()
        used: list[tuple[Unsettled, Counter[str]]] = []
        if (rejected := self._last.get(digest)) is not None:
            known.update(set(range(len(batch))) - rejected)
        elif unsettled:
            digests = record_digests(batch)
            for commit in unsettled:
                if not commit.records:  # only its writer's row is in doubt
                    self._happened(session, commit)
                    self._forget(commit)
                    continue
                if commit.records.keys().isdisjoint(digests) or not self._happened(session, commit):
                    continue
                left, taken = commit.records.copy(), Counter[str]()
                for position, record in enumerate(digests):
                    if position not in known and left[record] > 0:
                        left[record] -= 1
                        taken[record] += 1
                        known.add(position)
                used.append((commit, taken))
        return Mark(self, batch, digest, self._writer(session), frozenset(known), used)

    def put(self, session: Session, writer: Writer, token: str) -> None:
        """See Mark."""
        if self._run(session, self._update, (token, writer.name, writer.token)) == 1:
            return
        with self._lock:
            self._writers = {thread: other for thread, other in self._writers.items() if other is not writer}
        self._log.warning(
            "watermark changed",
            sink=self._sink,
            table=self._table,
            writer=writer.name,
            next_step="find out who else writes as this agent and sink, and give one of them another name",
            every=writer.name,
        )
        raise RetryableError(f"watermark {self._table}: somebody else has changed the row of {writer.name}")

    def committed(
        self, writer: Writer, token: str, digest: str, used: Iterable[tuple[Unsettled, Counter[str]]]
    ) -> None:
        """See Mark. The records that were found in the table need no longer be remembered."""
        with self._lock:
            writer.token = token
            self._last.pop(digest, None)
            for commit, taken in used:
                commit.records -= taken
                if commit.records:
                    self._keep(commit)
                else:
                    self._forget(commit)

    def unanswered(self, writer: Writer, commit: Unsettled) -> None:
        """See Mark."""
        with self._lock:
            self._writers = {thread: other for thread, other in self._writers.items() if other is not writer}
            self._unsettled.append(commit)
            if commit.records:
                self._keep(commit)
            if len(self._unsettled) > _MOST_UNSETTLED:
                self._say_unknown(self._unsettled[0], "too many commits are unsettled")
                self._forget(self._unsettled[0])

    # ---- writers

    def _load(self, session: Session) -> None:
        """Read what earlier processes have left."""
        unsettled = list(self._files.read())
        held = {commit.writer for commit in unsettled if not commit.committed}
        writers: list[Writer] = []
        while len(writers) < _MOST_WRITERS:
            name = f"{self._prefix}/{len(writers) + 1}"
            token = self._token(session, name)
            if token is None:
                break
            writers.append(Writer(name, token))
        self._numbers = len(writers)
        better_known = {_NOTHING, *(commit.token for commit in unsettled)}
        self._last = dict(_parsed(writer.token) for writer in writers if writer.token not in better_known)
        self._free = [writer for writer in reversed(writers) if writer.name not in held]
        self._unsettled = unsettled
        self._loaded = True

    def _writer(self, session: Session) -> Writer:
        """That of this thread: what it wrote last is settled by the core before it writes again."""
        thread = threading.get_ident()
        with self._lock:
            writer = self._writers.get(thread)
            if writer is None and not self._free:
                alive = {other.ident for other in threading.enumerate()}
                self._free = [self._writers.pop(other) for other in self._writers.keys() - alive]
            if writer is None and self._free:
                writer = self._free.pop()
            if writer is None:
                writer = self._new_writer(session)
            self._writers[thread] = writer
            return writer

    def _new_writer(self, session: Session) -> Writer:
        while self._numbers < _MOST_WRITERS:
            self._numbers += 1
            writer = Writer(f"{self._prefix}/{self._numbers}", _NOTHING)
            try:
                with session.connection.cursor() as cursor:
                    cursor.execute(self._insert, (writer.name, writer.token))
                session.connection.commit()
            except DRIVER_ERRORS as error:
                if code_of(error) == DUPLICATE:
                    continue
                raise self._failed(session, error) from error
            return writer
        raise RetryableError(f"watermark {self._table}: {_MOST_WRITERS} rows of {self._prefix} are in use")

    # ---- commits without an answer

    def _happened(self, session: Session, commit: Unsettled) -> bool:
        """Whether a commit happened; asks the database once."""
        if commit.committed:
            return True
        # Not SELECT FOR UPDATE: what it returns after waiting for the row need not be what the other has committed.
        self._run(session, f"UPDATE {self._table.sql} SET token = token WHERE writer = :1", (commit.writer,))  # noqa: S608
        token = self._token(session, commit.writer)
        self._run(session, "ROLLBACK", ())
        with self._lock:
            if commit not in self._unsettled or commit.committed:
                return commit.committed
            commit.committed = token == commit.token
            if token in (commit.token, commit.before):
                self._free.append(Writer(commit.writer, token))
            else:
                self._say_unknown(commit, "its row in the watermark table was changed by somebody else, or deleted")
            if commit.committed and commit.records:
                self._keep(commit)  # before the writer's next commit
            else:
                self._forget(commit)
        return commit.committed

    def _keep(self, commit: Unsettled) -> None:
        try:
            self._files.keep(commit)
        except OSError as error:
            self._log.warning(
                "unsettled commit not stored",
                sink=self._sink,
                error=error,
                next_step="free disk space in state_dir; until then only this process knows of the commit",
                every=self._sink,
            )

    def _forget(self, commit: Unsettled) -> None:
        with self._lock:
            if commit in self._unsettled:  # two workers may have asked about it
                self._unsettled.remove(commit)
                self._files.remove(commit)

    def _say_unknown(self, commit: Unsettled, reason: str) -> None:
        if not commit.records:
            return
        self._log.error(
            "commit never settled",
            sink=self._sink,
            writer=commit.writer,
            records=commit.records.total(),
            reason=reason,
            next_step="the records may be in the table twice; look for them by their times",
            every=commit.writer,
        )

    # ---- statements

    def _token(self, session: Session, writer: str) -> str | None:
        try:
            with session.connection.cursor() as cursor:
                cursor.execute(self._select, (writer,))
                row = cursor.fetchone()
        except DRIVER_ERRORS as error:
            raise self._failed(session, error) from error
        return None if row is None else str(row[0])

    def _run(self, session: Session, statement: str, binds: tuple[str, ...]) -> int:
        try:
            with session.connection.cursor() as cursor:
                cursor.execute(statement, binds)
                return int(cursor.rowcount)
        except DRIVER_ERRORS as error:
            raise self._failed(session, error) from error

    def _failed(self, session: Session, error: BaseException) -> SinkError:
        if connection_is_lost(code_of(error), text_of(error)):
            session.lost = True
        return failure_of(self._table, error)


def _token(digest: str, rejected: Iterable[int]) -> str:
    """What a writer's row holds: the digest of the batch, and which of its records are not in the table."""
    token = " ".join((digest, *map(str, sorted(rejected))))
    return token if len(token) <= _LONGEST_TOKEN else f"{digest} {_TOO_MANY}"


def _parsed(token: str) -> tuple[str, frozenset[int]]:
    digest, *rejected = token.split() or ("",)
    if any(not position.isdecimal() for position in rejected):
        return "", frozenset()
    return digest, frozenset(map(int, rejected))
