"""A replay as text and as JSON: what it would do, how far it is, what it did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from agent_core.cli.text.amount import amount
from agent_core.cli.text.table import text_table

if TYPE_CHECKING:
    from agent_core.runtime.replay.file import FileLedger
    from agent_core.runtime.replay.report import FilePreview, ReplayPreview, ReplayProgress, ReplayResult

BAD_LINES_SHOWN: Final = 20
"""Unreadable lines that are shown; JSON has more."""

FILES_SHOWN: Final = 5
"""Of many files, so many of the first and of the last are shown; JSON has all."""

_DAMAGED_FILES: Final = "csv_sink keeps backlog files with unreadable lines: it moves them to damaged/, not to done/"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ACCOUNTS: Final = ("inserted", "duplicates", "rejected", "skipped", "remaining")


def preview_lines(preview: ReplayPreview, *, filtered: bool) -> list[str]:
    """One line per file, then what cannot be read and what is left out; one screen, however many files there are.

    Of many files the first and the last are shown, and the sums over those between them.
    """
    header = ["file", "records", *(["wanted"] if filtered else []), "from (UTC)", "to (UTC)", "note"]
    files = preview.files
    many = len(files) > 2 * FILES_SHOWN
    rows = [_file_row(file, filtered=filtered) for file in (files[:FILES_SHOWN] if many else files)]
    if many:
        rows.append(_middle_row(files[FILES_SHOWN:-FILES_SHOWN], filtered=filtered))
        rows += [_file_row(file, filtered=filtered) for file in files[-FILES_SHOWN:]]
    lines = text_table(header, rows) if rows else []
    lines += _bad_lines(files)
    if preview.left_out:
        names = preview.left_out if len(preview.left_out) <= FILES_SHOWN else preview.left_out[:FILES_SHOWN]
        more = len(preview.left_out) - len(names)
        lines.append(
            f"left out, because their records were rejected for their content (see --rejected): {', '.join(names)}"
            + (f" and {more:,} more" if more else "")
        )
    if files:
        wanted = f", {preview.wanted:,} of them wanted" if filtered else ""
        size = f" ({sum(file.file.size_bytes for file in files):,} bytes)" if many else ""
        lines.append(f"{amount(preview.records, 'record')} in {amount(len(files), 'file')}{size}{wanted}")
    return lines


def progress_text(progress: ReplayProgress, records_per_second: float | None) -> str:
    """``13%  12,000 of 90,000 records  4,000 records/s  0:00:20 left  backup_20260101_000000.csv (2 of 7)``.

    What matters most comes first: a narrow terminal cuts the rest off.
    """
    where = f"{progress.file} ({progress.number} of {progress.files})"
    if progress.records_total is None:
        return f"reading: {amount(progress.records, 'record')}  {where}"
    share = progress.records / progress.records_total if progress.records_total else 1.0
    parts = [f"{share:.0%}", f"{progress.records:,} of {amount(progress.records_total, 'record')}"]
    if records_per_second:
        left = timedelta(seconds=round(max(0, progress.records_total - progress.records) / records_per_second))
        parts += [f"{records_per_second:,.0f} records/s", f"{left} left"]
    return "  ".join([*parts, where])


def result_lines(result: ReplayResult) -> list[str]:
    """The ledger, where rejected records are, which files moved, and where the same command resumes."""
    total = result.total
    amounts = [f"{getattr(total, name):,}" for name in ("read", *_ACCOUNTS)]
    lines = text_table(
        ["sink", "read", *_ACCOUNTS, "balances"],
        [[result.sink_id, *amounts, "yes" if balanced(result) else "NO"]],
        right_from=1,
    )
    if total.rejected:
        codes = ", ".join(f"{code} {count:,}" for code, count in sorted(result.rejected_codes.items()))
        where = f"; stored in {', '.join(result.rejected_files)}" if result.rejected_files else ""
        lines.append(f"rejected: {codes}{where}")
    if total.bad_lines:
        lines.append(f"unreadable: {amount(total.bad_lines, 'line')}, listed above; the file keeps them as they are")
        lines.append(_DAMAGED_FILES)
    moved = sum(file.moved for file in result.files)
    if moved:
        lines.append(f"{amount(moved, 'file')} moved out of the backlog")
    staying = [file for file in result.files if file.own and not file.moved and not file.remaining and file.skipped]
    if staying:
        lines.append(f"{amount(len(staying), 'file')} left in the backlog: the filter skipped some of the records")
    unfinished = next((file for file in result.files if file.remaining), None)
    if unfinished is not None:
        lines.append(f"the same command resumes at record {unfinished.next_record:,} of {unfinished.file}")
    lines.append(f"{result.end} after {timedelta(seconds=round(result.elapsed_seconds))}")
    return lines


def balanced(result: ReplayResult) -> bool:
    """Every record of every file is accounted for."""
    return all(file.balanced for file in result.files)


def preview_json(preview: ReplayPreview) -> dict[str, object]:
    return {
        "sink": preview.sink_id,
        "type": preview.sink_type,
        "records": preview.records,
        "wanted": preview.wanted,
        "files": [_file_json(file) for file in preview.files],
        "left_out": list(preview.left_out),
    }


def result_json(result: ReplayResult) -> dict[str, object]:
    return {
        "sink": result.sink_id,
        "end": str(result.end),
        "error": result.error,
        "elapsed_seconds": round(result.elapsed_seconds, 3),
        "balanced": balanced(result),
        "ledger": _ledger_json(result.total),
        "rejected_codes": dict(result.rejected_codes),
        "rejected_files": list(result.rejected_files),
        "files": [
            {
                "file": file.file,
                **_ledger_json(file),
                "next_record": file.next_record,
                "moved": file.moved,
                "error": file.error,
            }
            for file in result.files
        ],
    }


def time_text(timestamp_ns: int | None) -> str:
    """``2026-01-01 12:00:00``, in UTC."""
    if timestamp_ns is None:
        return ""
    return (_EPOCH + timedelta(microseconds=timestamp_ns // 1000)).strftime("%Y-%m-%d %H:%M:%S")


def _note(file: FilePreview) -> str:
    notes = []
    if file.start:
        notes.append(f"resumes at record {file.start:,}")
    if file.file.rejected:
        notes.append("rejected before for their content")
    if file.bad_line_count:
        notes.append(f"{amount(file.bad_line_count, 'unreadable line')}")
    if file.error is not None:
        notes.append(f"cannot be read: {file.error}")
    return ", ".join(notes)


def _file_row(file: FilePreview, *, filtered: bool) -> list[str]:
    return [
        file.file.name,
        f"{file.records:,}",
        *([f"{file.wanted:,}"] if filtered else []),
        time_text(file.oldest_ns),
        time_text(file.newest_ns),
        _note(file),
    ]


def _middle_row(files: Sequence[FilePreview], *, filtered: bool) -> list[str]:
    """The sums over files that are not shown, and how many of them have a note."""
    oldest = [file.oldest_ns for file in files if file.oldest_ns is not None]
    newest = [file.newest_ns for file in files if file.newest_ns is not None]
    noted = sum(bool(_note(file)) for file in files)
    return [
        f"... {amount(len(files), 'more file')}",
        f"{sum(file.records for file in files):,}",
        *([f"{sum(file.wanted for file in files):,}"] if filtered else []),
        time_text(min(oldest, default=None)),
        time_text(max(newest, default=None)),
        f"{noted:,} with notes: see --json" if noted else "",
    ]


def _bad_lines(files: Sequence[FilePreview]) -> Sequence[str]:
    """The first ones; how many there are besides."""
    if not (total := sum(file.bad_line_count for file in files)):
        return ()
    shown: list[str] = []
    for file in files:
        left = BAD_LINES_SHOWN - len(shown)
        shown += [f"{file.file.name}:{bad.line}: unreadable: {bad.message}" for bad in file.bad_lines[:left]]
        if len(shown) == BAD_LINES_SHOWN:
            break
    if more := total - len(shown):
        shown.append(f"and {more:,} more unreadable {'line' if more == 1 else 'lines'}")
    return [*shown, _DAMAGED_FILES]


def _file_json(file: FilePreview) -> dict[str, object]:
    return {
        "file": file.file.name,
        "size_bytes": file.file.size_bytes,
        "from_record": file.start,
        "records": file.records,
        "wanted": file.wanted,
        "oldest_ns": file.oldest_ns,
        "newest_ns": file.newest_ns,
        "rejected": file.file.rejected,
        "bad_line_count": file.bad_line_count,
        "bad_lines": [{"line": bad.line, "message": bad.message} for bad in file.bad_lines],
        "error": file.error,
    }


def _ledger_json(ledger: FileLedger) -> dict[str, object]:
    return {name: getattr(ledger, name) for name in ("read", *_ACCOUNTS, "bad_lines")}
