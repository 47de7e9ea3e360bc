"""Transactions: row locks, unique keys, statement-level and full rollback.

Rows are changed in place; ``Table.pending`` keeps what other transactions still see, and is the row lock. A writer
that meets a row or a key another open transaction has touched waits until that one ends. All methods must be
called with the store's lock held.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeAlias

from oracle_standin.errors import OraError
from oracle_standin.sql.conversion import Settings, number_text
from oracle_standin.sql.datatype import Row
from oracle_standin.store.deferral import Deferral, rolled_back
from oracle_standin.store.table import Key, Pending, Table, Unique

# rows first .. first+count-1 were inserted | a row was changed: what it and its lock were before
_Undo: TypeAlias = tuple[Table, int, int] | tuple[Table, int, Row | None, Pending | None]


class Locks:
    """The one lock of the store, and the signal that a transaction has ended."""

    def __init__(self, modern: bool) -> None:
        self.lock = threading.RLock()
        self.ended = threading.Condition(self.lock)
        self.modern = modern  # 23ai words ORA-00001 differently


class Transaction:
    """One transaction of one session. ``check`` is called while it waits and may raise (break, kill, lost peer)."""

    def __init__(self, locks: Locks, check: Callable[[], None]) -> None:
        self._locks = locks
        self._check = check
        self._undo: list[_Undo] = []
        self._waits_for: Transaction | None = None
        self._ended = False
        self.deferral = Deferral()
        self._marked: set[Table] = set()  # in their ``doubled`` or ``reclaimed``
        self.savepoints: dict[str, int] = {}

    @property
    def active(self) -> bool:
        return bool(self._undo)

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def mark(self) -> int:
        """A point for :meth:`rollback_to`."""
        return len(self._undo)

    # ------------------------------------------------------------------ waiting

    def _wait_for(self, other: Transaction) -> None:
        """Waits until ``other`` has ended. Raises ORA-00060 if it waits for this one, or what ``check`` raises."""
        seen: Transaction | None = other
        while seen is not None:
            if seen is self:
                raise OraError(60)
            seen = seen._waits_for
        self._waits_for = other
        try:
            while not other._ended:
                self._locks.ended.wait(0.02)
                self._check()
        finally:
            self._waits_for = None

    def lock_row(self, table: Table, rid: int) -> bool:
        """Waits until no other transaction holds the row; False if the row is gone."""
        while True:
            change = table.pending.get(rid)
            if change is None or change.owner is self:
                return table.rows.get(rid) is not None
            self._wait_for(change.owner)

    # ------------------------------------------------------------------ changes

    def insert(self, table: Table, row: Row, settings: Settings) -> int:
        """Inserts one checked row; returns its number. Raises ORA-00001; may wait for another transaction's key."""
        keys = [(unique, unique.key(row)) for unique in table.uniques]
        later = self._set_aside(table, keys, settings) if table.deferrable else ()
        waited = True
        while waited:  # a wait releases the lock, so every key must be checked again
            waited = any(key is not None and self._claim(table, u, key, settings) for u, key in keys)
        rid = table.next_rid
        table.next_rid = rid + 1
        for unique, key in keys:
            if key is not None:
                unique.rids[key] = rid
        table.rows[rid] = row
        table.pending[rid] = Pending(self, None)
        self._undo.append((table, rid, 1))
        if later:
            self._check_later(table, settings)
        return rid

    def insert_many(self, table: Table, rows: Sequence[Row]) -> bool:
        """Inserts checked rows at C speed; False, with nothing changed, if any key exists or is null."""
        if table.overlapping:
            return False
        keyed: list[tuple[Unique, list[Key]]] = []
        for unique in table.uniques:
            keys = list(map(unique.key, rows))
            if None in keys or len(set(keys)) != len(keys) or not unique.rids.keys().isdisjoint(keys):
                return False
            keyed.append((unique, keys))
        first = table.next_rid
        table.next_rid = first + len(rows)
        rids = range(first, table.next_rid)
        for unique, keys in keyed:
            unique.rids.update(zip(keys, rids, strict=True))
        table.rows.update(zip(rids, rows, strict=True))
        table.pending.update(dict.fromkeys(rids, Pending(self, None)))
        self._undo.append((table, first, len(rows)))
        return True

    def change(self, table: Table, rid: int, new: Row | None, settings: Settings) -> None:
        """Updates (or with None deletes) a row that this transaction may lock."""
        old = table.rows[rid]
        before = table.pending.get(rid)
        self._undo.append((table, rid, old, before))
        if before is None:
            table.pending[rid] = Pending(self, old)  # first, because it is the row lock and claiming a key may wait
        keys = [(u, u.key(new)) for u in table.uniques if new is not None and (old is None or u.key(old) != u.key(new))]
        later = self._set_aside(table, keys, settings) if table.deferrable else ()
        waited = True
        while waited:
            waited = any(key is not None and self._claim(table, u, key, settings) for u, key in keys)
        for unique, key in keys:
            if key is not None:
                unique.rids[key] = rid
        table.rows[rid] = new
        if later:
            self._check_later(table, settings)

    # ------------------------------------------------------------------ deferred keys

    def _set_aside(self, table: Table, keys: list[tuple[Unique, Key]], settings: Settings) -> list[Unique]:
        """Takes out of ``keys`` those that exist and are checked at the end of the transaction."""
        later = [u for u, key in keys if key is not None and key in u.rids and self.deferral.defers(u, settings)]
        keys[:] = [(u, key) for u, key in keys if u not in later]
        return later

    def _check_later(self, table: Table, settings: Settings) -> None:
        """Until then the index does not lead to every row, so this table is scanned."""
        if self not in table.doubled:
            table.doubled.add(self)
            self._marked.add(table)
            self.deferral.add(lambda: self._verify(table, settings))

    def _verify(self, table: Table, settings: Settings) -> None:
        """Makes the indexes of deferrable keys complete. Raises ORA-00001 if one of its rows has another row's key."""
        for unique in table.uniques:
            while unique.deferrable and self._index_again(table, unique, settings):
                pass
        table.doubled.discard(self)

    def _index_again(self, table: Table, unique: Unique, settings: Settings) -> bool:
        """True if it had to wait and must be called again."""
        found: dict[Key, int] = {}
        for rid, row in table.rows.items():
            for key in self._keys(table, unique, rid, row):
                other = found.setdefault(key, rid)
                if other == rid:
                    continue
                holders = {self._holder(table, rid), self._holder(table, other)}
                if self not in holders:  # it is checked by whom it concerns
                    continue
                for holder in holders - {None, self}:
                    assert holder is not None
                    self._wait_for(holder)
                    return True
                assert row is not None
                raise self._duplicate(table, unique, row, settings)
        unique.rids.clear()
        unique.rids.update(found)
        return False

    @staticmethod
    def _holder(table: Table, rid: int) -> Transaction | None:
        """The open transaction that has changed a row."""
        change = table.pending.get(rid)
        return None if change is None else change.owner

    def _keys(self, table: Table, unique: Unique, rid: int, row: Row | None) -> set[Key]:
        """The keys that a row has, or may have again if another transaction is rolled back."""
        keys = {unique.key(row)} if row is not None else set()
        change = table.pending.get(rid)
        if change is not None and change.owner is not self and change.before is not None:
            keys.add(unique.key(change.before))
        return keys - {None}

    def _index_what_is_left(self, table: Table) -> None:
        """After a double was taken back: each key leads to a row that has it, to one of another transaction first."""
        for unique in table.uniques:
            if unique.deferrable:
                unique.rids.clear()
                rows = [(rid, row, self._holder(table, rid) is self) for rid, row in table.rows.items()]
                for rid, row, _ in sorted(rows, key=lambda item: item[2]):
                    change = table.pending.get(rid)
                    for version in (row, change.before if change is not None else None):
                        key = None if version is None else unique.key(version)
                        if key is not None:
                            unique.rids.setdefault(key, rid)

    def _claim(self, table: Table, unique: Unique, key: Key, settings: Settings) -> bool:
        """True if it had to wait and must be called again. Raises ORA-00001 if the key exists."""
        rid = unique.rids.get(key)
        if table.overlapping and (rid is None or table.rows.get(rid) is None):  # another row may have the key
            rid = next((r for r, row in table.rows.items() if row is not None and unique.key(row) == key), None)
        if rid is None:
            return False
        change = table.pending.get(rid)
        if change is not None and change.owner is not self:
            self._wait_for(change.owner)
            return True
        row = table.rows.get(rid)
        if row is not None and unique.key(row) == key:
            raise self._duplicate(table, unique, row, settings)
        table.reclaimed.add(self)  # this transaction itself has freed the key
        self._marked.add(table)
        return False

    def _duplicate(self, table: Table, unique: Unique, row: Row, settings: Settings) -> OraError:
        name = f"{table.schema}.{unique.name}"
        if not self._locks.modern:
            return OraError(1, name=name)
        columns = [table.columns[c] for c in unique.columns]
        shown = []
        for c in unique.columns:
            value = table.columns[c].type.decode(row[c])
            text = number_text(value) if isinstance(value, int | float | Decimal) else f"'{value!s}'"
            shown.append(f"{table.columns[c].name}:{'NULL' if value is None else text}")
        return OraError(
            1,
            f"unique constraint ({name}) violated on table {table.schema}.{table.name} "
            f"columns ({', '.join(c.name for c in columns)})\n"
            f"ORA-03301: (ORA-00001 details) row with column values ({', '.join(shown)}) already exists",
        )

    # ------------------------------------------------------------------ the end

    def rollback_to(self, mark: int) -> None:
        """Undoes everything since ``mark``."""
        while len(self._undo) > mark:
            entry = self._undo.pop()
            if len(entry) == 3:
                table, first, count = entry
                for rid in range(first, first + count):
                    self._unindex(table, rid, table.rows.pop(rid))
                    del table.pending[rid]
                continue
            table, rid, old, before = entry
            self._unindex(table, rid, table.rows[rid])
            table.rows[rid] = old
            if old is not None:
                for unique in table.uniques:
                    if (key := unique.key(old)) is not None:
                        unique.rids[key] = rid
            if before is None:
                del table.pending[rid]
        for table in self._marked:
            if self in table.doubled:
                self._index_what_is_left(table)

    @staticmethod
    def _unindex(table: Table, rid: int, row: Row | None) -> None:
        for unique in table.uniques:
            key = None if row is None else unique.key(row)
            if key is not None and unique.rids.get(key) == rid:
                del unique.rids[key]

    def commit(self) -> None:
        """Raises ORA-02091, after a rollback, if a deferred constraint does not hold."""
        if self.deferral.pending:
            try:
                self.deferral.verify()
            except OraError as error:
                self.rollback()
                raise rolled_back(error) from None
        for entry in self._undo:
            table, rid = entry[0], entry[1]
            if len(entry) == 3:
                for inserted in range(rid, rid + entry[2]):
                    # a later entry of this transaction may have changed the row; it cleans up itself
                    table.pending.pop(inserted, None)
                    if table.rows.get(inserted, ()) is None:
                        del table.rows[inserted]
                continue
            old, new = entry[2], table.rows.get(rid)
            if old is not None:
                for unique in table.uniques:
                    key = unique.key(old)
                    if key is not None and (new is None or unique.key(new) != key) and unique.rids.get(key) == rid:
                        del unique.rids[key]
            table.pending.pop(rid, None)
            if new is None:
                table.rows.pop(rid, None)
        self._end()

    def rollback(self) -> None:
        self.rollback_to(0)
        self._end()

    def _end(self) -> None:
        for table in self._marked:
            table.doubled.discard(self)
            table.reclaimed.discard(self)
        self._undo = []
        self._ended = True
        self._locks.ended.notify_all()
