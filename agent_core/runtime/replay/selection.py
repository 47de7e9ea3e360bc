"""BackupSelection: which backup files one ``tagferry replay`` reads, and who reads them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from agent_core.api import BacklogFile, BackupReader, KeepsDelivered, Replayable, ReplayRefused
from agent_core.config.model import AgentConfig, Replay, SinkConfig
from agent_core.registry import Registry
from agent_core.runtime.delivery.fallback import Fallback
from agent_core.runtime.replay.file import ReplayFile
from agent_core.runtime.replay.position import ReplayPosition
from agent_core.runtime.replay.record_filter import RecordFilter
from agent_core.runtime.state_lock import agent_runs


def replay_target(config: AgentConfig, sink_id: str | None, named_files: bool) -> SinkConfig:
    """The sink to write into. Raises ReplayRefused when it is not clear which."""
    possible = [
        sink
        for sink in config.sinks
        if sink.id == sink_id or (sink_id is None and (named_files or sink.fallback is not None))
    ]
    if len(possible) == 1:
        return possible[0]
    if sink_id is not None:
        raise ReplayRefused(f"no sink is called {sink_id!r}; known: {', '.join(sink.id for sink in config.sinks)}")
    if not possible:
        raise ReplayRefused("no sink has a fallback whose backlog could be replayed; name the files to replay")
    raise ReplayRefused(f"say which sink with --sink: {', '.join(sink.id for sink in possible)}")


class BackupSelection:
    """Files of the sink's own backlog are opened through its fallback, which locks them; others are only read.

    Used from one thread. ``left_out`` names files of rejected records that were not asked for.
    """

    def __init__(
        self, config: AgentConfig, sink: SinkConfig, fallback: Fallback | None, registry: Registry, wanted: RecordFilter
    ) -> None:
        self.left_out: tuple[str, ...] = ()
        self._config = config
        self._sink = sink
        self._fallback = fallback
        self._replayable = fallback.sink if fallback is not None and isinstance(fallback.sink, Replayable) else None
        self._registry = registry
        self._wanted = wanted
        folder = config.state_dir / "replay"
        self._position = ReplayPosition(folder / f"{sink.id}.json")  # that of the automatic replay, too
        self._other_position = ReplayPosition(folder / sink.id / "other.json")

    def files(self, paths: Sequence[Path], *, rejected: bool, delivered: bool, preview_only: bool) -> list[ReplayFile]:
        """The files at ``paths``, or without any the whole backlog of the sink; ``delivered``: what the sink has had.

        Raises ReplayRefused when the fallback cannot be opened although a file of the backlog is wanted, because an
        agent is running (a mere preview does without), when a path is not a file, or no plugin reads it.
        """
        if delivered:
            found = self._delivered()
        else:
            found = self._named(paths, preview_only) if paths else self._backlog(preview_only)
        if not rejected:
            self.left_out = tuple(file.name for file in found if file.rejected)
            found = [file for file in found if not file.rejected]
        return found

    def _backlog(self, preview_only: bool) -> list[ReplayFile]:
        if self._replayable is None:
            raise ReplayRefused(f"sink {self._sink.id} has no fallback that can be replayed; name the files to replay")
        self._hold(preview_only)
        return [self._own(file, self._replayable) for file in self._replayable.backlog()]

    def _delivered(self) -> list[ReplayFile]:
        if self._fallback is None or not isinstance(self._fallback.sink, KeepsDelivered):
            raise ReplayRefused(f"sink {self._sink.id} has no fallback that keeps what was delivered (csv_sink does)")
        keeper = self._fallback.sink
        # It completes what a dead process left. If an agent holds it, that one completes its files itself.
        with suppress(Exception):
            self._fallback.open()
        return [self._other(path) for path in keeper.delivered_files()]

    def _named(self, paths: Sequence[Path], preview_only: bool) -> list[ReplayFile]:
        named = {_resolved(path): path for path in paths}
        for path in named.values():
            if path.is_dir():
                raise ReplayRefused(f"{path} is a folder; name the files in it")
            if not path.is_file():
                raise ReplayRefused(f"{path} is not a file")
        own: dict[Path, ReplayFile] = {}
        if self._replayable is not None:
            for file in self._replayable.backlog():
                if file.path is not None and (resolved := _resolved(file.path)) in named:
                    own[resolved] = self._own(file, self._replayable)
        if own:
            self._hold(preview_only)
        return [own.get(resolved) or self._other(path) for resolved, path in named.items()]

    def _hold(self, preview_only: bool) -> None:
        """Open the fallback: it completes what a dead process left, and nobody else reads or moves its files."""
        assert self._fallback is not None
        try:
            self._fallback.open()
        except Exception as error:
            if preview_only:
                return
            if not agent_runs(self._config.state_dir):
                raise ReplayRefused(str(error)) from error
            automatic = self._sink.fallback is not None and self._sink.fallback.replay is Replay.AUTOMATIC
            advice = (
                "it replays automatically while the sink is up" if automatic else "its replay is off, so stop it first"
            )
            raise ReplayRefused(
                f"an agent runs with {self._config.file.name} and holds the backlog of {self._sink.id}: {advice}; "
                "meanwhile you can replay other files, and copies of these: name them"
            ) from error

    def _own(self, file: BacklogFile, fallback: Replayable) -> ReplayFile:
        if not self._wanted.active:
            return ReplayFile.of_backlog(file, fallback, self._position)
        whole = ReplayFile.of_backlog(file, fallback, self._other_position)
        return replace(whole, key=f"{whole.key} {self._wanted.key}", filtered=True)

    def _other(self, path: Path) -> ReplayFile:
        reader, stat = self._reader(), path.stat()
        file = reader.describe(path)
        return ReplayFile(
            name=str(path),
            key=f"{path.absolute()} {stat.st_size} {stat.st_mtime_ns} {self._wanted.key}",
            size_bytes=file.size_bytes,
            rejected=file.rejected,
            read=partial(reader.read, path),
            finish=None,
            position=self._other_position,
            filtered=self._wanted.active,
        )

    def _reader(self) -> BackupReader:
        catalog, fallback = self._registry.catalog, self._sink.fallback
        if fallback is not None and (reader := catalog.sink(fallback.type).backup_reader) is not None:
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


def _resolved(path: Path) -> Path:
    """Where ``path`` leads to. Of a link that leads to itself, ``Path.resolve`` would raise what is no OSError."""
    return Path(os.path.realpath(path))
