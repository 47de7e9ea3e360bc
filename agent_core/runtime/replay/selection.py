"""BackupSelection: which backup files one ``tagferry replay`` reads, and who reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from agent_core.api import BacklogFile, BackupReader, Replayable, ReplayRefused
from agent_core.config.model import AgentConfig, Replay, SinkConfig
from agent_core.registry import Registry
from agent_core.runtime.delivery.fallback import Fallback
from agent_core.runtime.replay.file import ReplayFile
from agent_core.runtime.replay.position import ReplayPosition, position_key
from agent_core.runtime.replay.record_filter import RowFilter
from agent_core.runtime.state_lock import agent_runs


def replay_target(config: AgentConfig, sink_id: str | None, named_files: bool) -> SinkConfig:
    """The sink that rows are written into. Raises ReplayRefused when it is not clear which."""
    if sink_id is not None:
        for sink in config.sinks:
            if sink.id == sink_id:
                return sink
        raise ReplayRefused(f"no sink is called {sink_id!r}; known: {', '.join(sink.id for sink in config.sinks)}")
    possible = config.sinks if named_files else tuple(sink for sink in config.sinks if sink.fallback is not None)
    if len(possible) == 1:
        return possible[0]
    if not possible:
        raise ReplayRefused("no sink has a fallback whose backlog could be replayed; name the files to replay")
    raise ReplayRefused(f"say which sink with --sink: {', '.join(sink.id for sink in possible)}")


class BackupSelection:
    """Files of the sink's own backlog are opened through its fallback, which locks them; others are only read.

    Used from one thread. ``left_out`` names files of rejected rows that nobody asked for.
    """

    def __init__(
        self, config: AgentConfig, sink: SinkConfig, fallback: Fallback | None, registry: Registry, wanted: RowFilter
    ) -> None:
        self.left_out: tuple[str, ...] = ()
        self._config = config
        self._sink = sink
        self._fallback = fallback
        self._replayable: Replayable | None = None
        if fallback is not None and isinstance(fallback.sink, Replayable):
            self._replayable = fallback.sink
        self._registry = registry
        self._wanted = wanted

    def files(self, paths: Sequence[Path], *, rejected: bool, preview_only: bool) -> list[ReplayFile]:
        """The files at ``paths``, or without any the whole backlog of the sink.

        Raises ReplayRefused: a file of the backlog is wanted and the fallback cannot be opened, as beside a running
        agent (a mere preview does without), a path is no file, or nothing installed reads it.
        """
        if paths:
            found = self._named(list({path.resolve(): path for path in paths}.values()), preview_only)
        else:
            found = self._backlog(preview_only)
        if not rejected:
            self.left_out = tuple(file.name for file in found if file.rejected)
            found = [file for file in found if not file.rejected]
        return found

    def _backlog(self, preview_only: bool) -> list[ReplayFile]:
        if self._replayable is None:
            raise ReplayRefused(
                f"sink {self._sink.id} has no fallback whose rows can be read back; name the files to replay"
            )
        self._hold(preview_only)
        return [self._own(file) for file in self._replayable.backlog()]

    def _named(self, paths: Sequence[Path], preview_only: bool) -> list[ReplayFile]:
        for path in paths:
            if path.is_dir():
                raise ReplayRefused(f"{path} is a folder; name the files in it")
            if not path.is_file():
                raise ReplayRefused(f"{path} is no file")
        own: dict[Path, BacklogFile] = {}
        if self._replayable is not None:
            own = {file.path.resolve(): file for file in self._replayable.backlog() if file.path is not None}
        if any(path.resolve() in own for path in paths):
            self._hold(preview_only)
        return [
            self._own(own[path.resolve()]) if path.resolve() in own else self._elsewhere(path, self._reader())
            for path in paths
        ]

    def _hold(self, preview_only: bool) -> None:
        """Open the fallback: it completes what a dead process left, and nobody else reads or moves its files."""
        assert self._fallback is not None
        try:
            self._fallback.open()
        except Exception as error:
            if preview_only:
                return
            raise ReplayRefused(self._advice() if agent_runs(self._config.state_dir) else str(error)) from error

    def _advice(self) -> str:
        fallback = self._sink.fallback
        automatic = fallback is not None and fallback.replay is Replay.AUTOMATIC
        by_itself = (
            "it replays that by itself while the sink is up"
            if automatic
            else "as its replay is off, stop it to have the backlog replayed"
        )
        return (
            f"an agent runs with {self._config.file.name} and holds the backlog of {self._sink.id}: {by_itself}; "
            "files elsewhere, copies of these too, can be replayed beside it: name them"
        )

    def _own(self, file: BacklogFile) -> ReplayFile:
        assert self._replayable is not None
        folder = self._config.state_dir / "replay"
        position = ReplayPosition(folder / f"{self._sink.id}.json")  # where an automatic replay goes on, too
        if self._wanted.active:
            position = self._own_position(file.name, file.size_bytes)
        return ReplayFile(
            name=file.name,
            key=position_key(file),
            size_bytes=file.size_bytes,
            rejected=file.rejected,
            read=partial(self._replayable.read, file.name),
            finish=partial(self._replayable.finish, file.name),
            position=position,
            filtered=self._wanted.active,
        )

    def _elsewhere(self, path: Path, reader: BackupReader) -> ReplayFile:
        file = reader.describe(path)
        stat = path.stat()
        return ReplayFile(
            name=str(path),
            key=str(path.absolute()),
            size_bytes=file.size_bytes,
            rejected=file.rejected,
            read=partial(reader.read, path),
            finish=None,
            position=self._own_position(str(path.absolute()), stat.st_size, stat.st_mtime_ns),
            filtered=self._wanted.active,
        )

    def _own_position(self, *file: object) -> ReplayPosition:
        """A position that counts for this very file and filter only."""
        digest = hashlib.sha256(repr((*file, self._wanted.key)).encode("utf-8", "backslashreplace")).hexdigest()
        return ReplayPosition(self._config.state_dir / "replay" / self._sink.id / f"{digest[:16]}.json")

    def _reader(self) -> BackupReader:
        fallback = self._sink.fallback
        if fallback is not None:
            reader = self._registry.catalog.sink(fallback.type).backup_reader
            if reader is not None:
                return reader
        self._registry.load_all()
        catalog = self._registry.catalog
        readers = {type_: reader for type_ in catalog.types("sink") if (reader := catalog.sink(type_).backup_reader)}
        if len(readers) == 1:
            return next(iter(readers.values()))
        if not readers:
            raise ReplayRefused("no installed plugin reads backup files; tagferry-csv-sink reads CSV")
        raise ReplayRefused(
            f"several plugins read backup files ({', '.join(readers)}); give sink {self._sink.id} a fallback of the "
            "type that wrote these"
        )
