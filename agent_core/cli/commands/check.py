"""``tagferry check``: validate a configuration without touching the network."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence

from agent_core.api import ConfigError, ConfigProblem, SystemClock
from agent_core.cli import exit_code
from agent_core.cli.subcommand import Subcommands, add_file_argument, command_parser
from agent_core.cli.text.amount import amount
from agent_core.cli.text.plan_json import plan_json
from agent_core.cli.text.problem_report import print_problems, problem_json, summary_line
from agent_core.cli.text.table import text_table
from agent_core.config import AgentConfig, Redaction, Replay, SinkConfig, load_config, place_problems
from agent_core.registry import Registry


def add_parser(commands: Subcommands[argparse.ArgumentParser]) -> None:
    parser = command_parser(
        commands,
        "check",
        "validate a configuration; no network",
        "Reads FILE, resolves its variables, loads its plugins, validates every key, and reads the tag lists, so that\n"
        "wrong addresses are found here. Reports all problems at once, as file:line:column: path: message. Contacts\n"
        "nothing and writes nothing.",
        "  tagferry check\n  tagferry check line2.yaml --json\n"
        "  tagferry check --plan      how the devices will be read: requests, wasted words, estimated times",
    )
    add_file_argument(parser)
    parser.add_argument("--plan", action="store_true", help="show how the sources will read their devices")
    parser.add_argument("--json", action="store_true", help="print problems, components and plan as JSON")
    parser.set_defaults(command=check)


def check(arguments: argparse.Namespace) -> int:
    # Imported here: the other commands do not need the runtime.
    from agent_core.runtime.examination.part_check import PartCheck

    logging.basicConfig(handlers=[logging.NullHandler()])
    redaction: Redaction = arguments.redaction
    registry = Registry()
    try:
        config = load_config(arguments.file, registry, redaction=redaction)
    except ConfigError as error:
        return _invalid(error, arguments.json)
    parts = PartCheck(config, registry.catalog, SystemClock())
    found = place_problems(arguments.file, parts.problems, redaction)
    problems = list(dict.fromkeys([*config.warnings, *found]))
    if any(not problem.warning for problem in problems):
        return _invalid(ConfigError(problems), arguments.json)
    if arguments.json:
        plan = {"plan": plan_json(parts.plans())} if arguments.plan else {}
        print(json.dumps({**_as_json(config, problems), **plan}, indent=2, ensure_ascii=False))
        return exit_code.OK
    print_problems(problems, sys.stderr, redaction.redact)
    for line in _as_text(config):
        print(line)
    if arguments.plan:
        print("\n".join(["", *(parts.plan_lines() or ["no source has a plan"]), ""]))
    warnings = f"; {summary_line(problems)}" if problems else ""
    print(f"{arguments.file} is valid{warnings}")
    return exit_code.OK


def _invalid(error: ConfigError, as_json: bool) -> int:
    if not as_json:
        raise error
    problems = [problem_json(problem) for problem in error.problems]
    print(json.dumps({"valid": False, "problems": problems}, indent=2, ensure_ascii=False))
    return exit_code.USER_MISTAKE


def _as_text(config: AgentConfig) -> list[str]:
    rows = [["source", source.id, source.type, _source_facts(config, source.id)] for source in config.sources]
    rows += [["sink", sink.id, sink.type, _sink_facts(sink)] for sink in config.sinks]
    rows += [["extension", extension.id, extension.type, ""] for extension in config.extensions]
    return [
        *text_table(["part", "id", "type", "settings"], rows),
        f"{config.name} keeps its state in {config.state_dir} and stops within {config.shutdown_timeout_seconds:g} s",
    ]


def _source_facts(config: AgentConfig, source_id: str) -> str:
    fed = [sink.id for sink in config.sinks if source_id in sink.inputs]
    transforms = next(source.transforms for source in config.sources if source.id == source_id)
    steps = "".join(f" -> {transform.type}" for transform in transforms)
    return f"{steps} -> {', '.join(fed)}".strip() if fed else "feeds no sink"


def _sink_facts(sink: SinkConfig) -> str:
    facts = [
        *([f"from {', '.join(sink.inputs)}"] if sink.inputs else []),
        sink.buffer.type,
        f"{amount(sink.batch.max_records, 'record')} or {sink.batch.max_wait_seconds:g} s",
        f"{sink.retry.max_retries} retries",
        f"{sink.workers} worker{'s' if sink.workers > 1 else ''}",
    ]
    if sink.fallback is not None:
        replay = "automatic replay" if sink.fallback.replay is Replay.AUTOMATIC else "replay off"
        facts.append(f"fallback {sink.fallback.type}, {replay}")
    return "; ".join(facts)


def _as_json(config: AgentConfig, problems: Sequence[ConfigProblem]) -> dict[str, object]:
    return {
        "valid": True,
        "problems": [problem_json(problem) for problem in problems],
        "file": str(config.file),
        "name": config.name,
        "state_dir": str(config.state_dir),
        "shutdown_timeout_seconds": config.shutdown_timeout_seconds,
        "sources": [
            {
                "id": source.id,
                "type": source.type,
                "transforms": [transform.type for transform in source.transforms],
                "sinks": [sink.id for sink in config.sinks if source.id in sink.inputs],
            }
            for source in config.sources
        ],
        "sinks": [
            {
                "id": sink.id,
                "type": sink.type,
                "inputs": list(sink.inputs),
                "buffer": sink.buffer.type,
                "max_records": sink.batch.max_records,
                "max_wait_seconds": sink.batch.max_wait_seconds,
                "max_retries": sink.retry.max_retries,
                "workers": sink.workers,
                "divert": None if sink.divert is None else str(sink.divert),
                "fallback": None if sink.fallback is None else sink.fallback.type,
                "replay": None if sink.fallback is None else str(sink.fallback.replay),
            }
            for sink in config.sinks
        ],
        "extensions": [{"id": extension.id, "type": extension.type} for extension in config.extensions],
    }
