"""Plan: which column takes what, from ``columns:``, ``key:`` and the facts of the dictionary."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import repeat
from typing import Final

from agent_core.api import BAD, GOOD, QUALITY_NAMES, UNCERTAIN, Batch, ConfigurationError, Value
from oracle_sink.config import OracleSinkConfig
from oracle_sink.table.binding import Bind, Encoder, InputSize, Refusals
from oracle_sink.table.facts import NUMBERS, TEXTS, TIMES, Column, ColumnKind, Generated, Key, TableFacts
from oracle_sink.table.layout import Layout
from oracle_sink.table.mapping import Mapped, RecordField, read_key, read_mapping
from oracle_sink.table.numbers import NumberColumn, NumberRefused, Numbers
from oracle_sink.table.texts import (
    RepeatedText,
    TextColumn,
    ValueText,
    codec_of,
    mapped_bytes,
    origin_texts,
    type_names,
)
from oracle_sink.table.times import Times, repeated_hour

# A quality byte may have more than its two quality bits set; 0x80 is undefined and counts as BAD.
_QUALITIES: Final = tuple({0xC0: GOOD, 0x40: UNCERTAIN}.get(code & 0xC0, BAD) for code in range(256))
_QUALITY_TEXTS: Final = tuple(QUALITY_NAMES[quality] for quality in _QUALITIES)

_KINDS: Final = {
    RecordField.NAME: TEXTS,
    RecordField.VALUE: TEXTS | NUMBERS,
    RecordField.VALUE_NUMBER: NUMBERS,
    RecordField.VALUE_TEXT: TEXTS,
    RecordField.VALUE_TYPE: TEXTS,
    RecordField.TIMESTAMP: TIMES,
    RecordField.TIMESTAMP_NS: NUMBERS,
    RecordField.QUALITY: TEXTS,
    RecordField.QUALITY_CODE: NUMBERS,
    RecordField.SOURCE: TEXTS,
    RecordField.DEVICE: TEXTS,
    RecordField.GROUP: TEXTS,
    RecordField.AGENT: TEXTS,
}

_GENERATED_CODES: Final = {Generated.VIRTUAL: "ORA-54013", Generated.ALWAYS: "ORA-32795"}
"""What the database would answer."""


class Constant:
    """The same value in every row."""

    def __init__(self, column: Column, input_size: InputSize, value: Bind) -> None:
        self.column = column
        self.input_size = input_size
        self._value = value

    def encode(self, batch: Batch, refusals: Refusals) -> Sequence[Bind]:  # noqa: ARG002 - an Encoder
        return (self._value,) * len(batch)

    def same(self, bound: Bind, stored: Bind) -> bool:  # noqa: ARG002 - constants are not compared
        return True


def plan_layout(config: OracleSinkConfig, facts: TableFacts, agent_name: str) -> Layout:
    """Match ``columns:`` with the table. Raises ConfigurationError with the column and the next step. Pure."""
    mapping, mistakes = read_mapping(config.columns)
    if mistakes:
        raise ConfigurationError(f"columns: {mistakes[0]}")
    declared, wrong = read_key(config.key, mapping)
    if wrong:
        raise ConfigurationError(f"key: {wrong[0][1]}")
    codec = codec_of(facts.character_set)
    encoders: dict[str, Encoder] = {}
    expressions: list[tuple[str, str]] = []
    for mapped in mapping:
        column = _column(mapped, facts)
        if mapped.expression is not None:
            expressions.append((column.name, mapped.expression))
        elif mapped.field is not None:
            encoders[column.name] = _field_encoder(mapped, mapped.field, column, config, codec, agent_name)
        else:
            encoders[column.name] = _constant(column, mapped.constant, codec)
    fields = {mapped.name for mapped in mapping if mapped.field is not None}
    key = next((k for k in facts.keys if set(k.columns) <= set(encoders) and set(k.columns) & fields), None)
    if key is None and declared:
        key = Key(f"key: {', '.join(declared)}", declared, primary=False, declared=True)
    first = key.columns if key is not None else ()
    ordered = (*first, *(name for name in encoders if name not in first))
    compared = tuple(i for i, name in enumerate(ordered) if name in fields and name not in first)
    times = (RecordField.TIMESTAMP, RecordField.TIMESTAMP_NS)
    return Layout(
        facts,
        tuple(encoders[name] for name in ordered),
        tuple(expressions),
        key,
        compared,
        frozenset(mapped.name for mapped in mapping if mapped.field in times),
        declared,
    )


def warnings_of(layout: Layout, now: datetime) -> Iterator[str]:
    """What is not an error but should be known, each with its consequence."""
    facts = layout.facts
    if layout.key is None:
        yield (
            "no primary or unique key has only columns that columns: fills, so a record that is written again (after "
            "a lost connection unless there is a watermark:, or in a replay) is stored again"
        )
    elif not layout.time_in_key:
        yield (
            f"the key {layout.key.constraint} has no timestamp, so the table holds one row per tag: with on_conflict: "
            "keep, the first value stays and all others are rejected; update keeps the value written last"
        )
    if layout.declared and layout.key is not None and set(layout.declared) != set(layout.key.columns):
        columns = ", ".join(layout.key.columns)
        yield f"key: has no effect, because the dictionary has the key {layout.key.constraint} ({columns})"
    if layout.key is not None and not layout.key.validated:
        yield (
            f"the key {layout.key.constraint} is NOVALIDATE: rows from before it may be there twice; a record is a "
            "duplicate if one of them has its content"
        )
    if codec_of(facts.character_set) != "utf-8":
        yield f"the character set is {facts.character_set}: texts with characters that it does not have are rejected"
    filled = {encoder.column.name for encoder in layout.encoders} | {name for name, _ in layout.expressions}
    for column in facts.columns:
        if not (column.nullable or column.has_default or column.generated or column.name in filled):
            yield f"{column.name} is NOT NULL, has no DEFAULT and is not in columns:, so only a trigger can fill it"
    for encoder in layout.encoders:
        if isinstance(encoder, Times) and encoder.zone is not None:
            again = repeated_hour(encoder.zone, now)
            if again is not None:
                yield (
                    f"{encoder.column.name} holds local time of {encoder.zone.key}, where an hour comes twice (next on "
                    f"{again:%Y-%m-%d}): records of the second hour get the keys of the first"
                )


def _column(mapped: Mapped, facts: TableFacts) -> Column:
    column = facts.column(mapped.name)
    if column is None:
        has = ", ".join(c.name for c in facts.columns)
        raise ConfigurationError(
            f"columns: table {facts.table} has no column {mapped.name}; it has {has}: correct columns:",
            code="ORA-00904",
        )
    if column.generated is not None:
        raise ConfigurationError(
            f"columns: {column} is {column.generated.value}, which only the database fills: remove it from columns:",
            code=_GENERATED_CODES[column.generated],
        )
    if column.kind is None and mapped.expression is None:
        raise ConfigurationError(f"columns: {column} is {column.data_type}, which this sink cannot fill")
    return column


def _constant(column: Column, value: str | int | float | None, codec: str | None) -> Constant:
    if column.kind in TEXTS:
        text = TextColumn(column, codec)
        refusal = text.refusal(str(value))
        if refusal is not None:
            raise ConfigurationError(f"columns: constant {value!r}: {refusal.message}", code=refusal.code)
        return Constant(column, text.input_size, str(value))
    if column.kind in NUMBERS:
        number = NumberColumn(column)
        try:
            return Constant(column, number.input_size, number.convert(value))
        except NumberRefused as refused:
            raise ConfigurationError(f"columns: constant: {refused}", code=refused.refusal.code) from None
    raise ConfigurationError(f"columns: {column} is {column.data_type}: a constant must be a text or a number")


def _field_encoder(
    mapped: Mapped, field: RecordField, column: Column, config: OracleSinkConfig, codec: str | None, agent_name: str
) -> Encoder:
    if column.kind not in _KINDS[field]:
        fitting = ", ".join(sorted(kind.value for kind in _KINDS[field]))
        raise ConfigurationError(f"columns: {column} is {column.data_type}: field {field} needs one of {fitting}")
    if mapped.zone is not None and column.kind not in (ColumnKind.DATE, ColumnKind.TIMESTAMP):
        raise ConfigurationError(f"columns: {column} is {column.data_type}: time_zone: is for DATE and TIMESTAMP only")
    if field is RecordField.TIMESTAMP:
        return Times(column, mapped.zone)
    if column.kind in NUMBERS:
        values = _number_values(field)
        return Numbers(NumberColumn(column), values, only_numbers=field is RecordField.VALUE_NUMBER)
    text = TextColumn(column, codec)
    if field in (RecordField.VALUE, RecordField.VALUE_TEXT):
        return ValueText(
            text,
            bad_text=config.bad_value_text,
            true_text=config.true_text,
            false_text=config.false_text,
            only_texts=field is RecordField.VALUE_TEXT,
        )
    return RepeatedText(text, _text_values(field, agent_name), required=field is RecordField.NAME)


def _number_values(field: RecordField) -> Callable[[Batch], Sequence[Value]]:
    if field is RecordField.TIMESTAMP_NS:
        return lambda batch: list(batch.stamps())
    if field is RecordField.QUALITY_CODE:
        return lambda batch: list(map(_QUALITIES.__getitem__, batch.qualities))
    return lambda batch: batch.values


def _text_values(field: RecordField, agent_name: str) -> Callable[[Batch], Sequence[str]]:
    match field:
        case RecordField.NAME:
            return lambda batch: batch.names
        case RecordField.QUALITY:
            return lambda batch: mapped_bytes(_QUALITY_TEXTS, batch.qualities)
        case RecordField.VALUE_TYPE:
            return lambda batch: type_names(batch.values)
        case RecordField.SOURCE:
            return origin_texts(lambda origin: origin.source)
        case RecordField.DEVICE:
            return origin_texts(lambda origin: origin.device)
        case RecordField.GROUP:
            return origin_texts(lambda origin: origin.group)
        case _:
            return lambda batch: list(repeat(agent_name, len(batch)))
