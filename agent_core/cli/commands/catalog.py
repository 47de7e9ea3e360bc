"""``tagferry catalog``: convert lists of groups and tags between their forms."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

from agent_core.api import ConfigError, Conversion, ConversionOptions
from agent_core.cli import exit_code
from agent_core.cli.subcommand import Subcommands, add_file_argument, command_parser
from agent_core.cli.text.amount import amount
from agent_core.cli.text.duration import duration
from agent_core.cli.text.problem_report import print_problems, problem_json
from agent_core.config import load_config
from agent_core.registry import Registry

_FORMS = "The form of a file follows from its name: .csv (tag list), .yaml (groups), .db (SQLite database, read only)."


def add_parser(commands: Subcommands[argparse.ArgumentParser]) -> None:
    parser = command_parser(
        commands,
        "catalog",
        "convert tag lists between YAML and CSV, and from SQLite",
        f"{_FORMS}\nNames every wrong tag or group by its line or id, and writes nothing until all are right, unless\n"
        "you use --leave-out. Overwrites no file without --force.",
        "  tagferry catalog import scada.db --to tags.csv --to groups.yaml\n"
        "  tagferry catalog import tags.csv --device PLC01 --interval 1s --to groups.yaml\n"
        "  tagferry catalog export --to tags.csv         what ./agent.yaml polls",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_import(actions)
    _add_export(actions)


def _add_import(actions: Subcommands[argparse.ArgumentParser]) -> None:
    parser = command_parser(
        actions,
        "import",
        "convert a file",
        f"Reads groups and tags from FILE.\n{_FORMS}\nThe options add what a form does not contain.",
        "  tagferry catalog import scada.db --driver melsec_driver --string-length 16 --to groups.yaml",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="scada.db, tags.csv, groups.yaml or an agent.yaml")
    parser.add_argument(
        "--type",
        metavar="TYPE",
        help="type of the source that the tags are for; needed when several sources have tag lists",
    )
    parser.add_argument("--device", default="PLC01", help="device of the tags in a tag list; default: PLC01")
    parser.add_argument(
        "--interval",
        type=duration,
        default=1.0,
        metavar="DURATION",
        help="interval of the groups in a tag list; default: 1s",
    )
    parser.add_argument("--driver", help="driver of the devices in a SQLite file")
    parser.add_argument(
        "--string-length", type=int, metavar="BYTES", help="length of STRING tags in a SQLite file that have none"
    )
    parser.add_argument("--encoding", default="utf-8", help="encoding of these STRING tags; default: utf-8")
    _add_common(parser)
    parser.set_defaults(command=_import)


def _add_export(actions: Subcommands[argparse.ArgumentParser]) -> None:
    parser = command_parser(
        actions,
        "export",
        "write the tags that a configuration polls",
        f"Writes the groups and tags that FILE polls, wherever they are listed.\n{_FORMS}",
        "  tagferry catalog export --to tags.csv\n  tagferry catalog export line2.yaml --source line2 --to groups.yaml",
    )
    add_file_argument(parser)
    parser.add_argument("--source", metavar="ID", help="needed when several sources have tag lists")
    _add_common(parser)
    parser.set_defaults(command=_export)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--to", type=Path, action="append", required=True, metavar="FILE",
        help="file to write; repeatable. With a CSV and a YAML file, the YAML refers to the CSV.",
    )  # fmt: skip
    parser.add_argument(
        "--leave-out", action="store_true", help="name the wrong tags and groups, and continue without them"
    )
    parser.add_argument("--force", action="store_true", help="overwrite existing files")
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")


def _import(arguments: argparse.Namespace) -> int:
    # Imported here: the other commands do not need it.
    from agent_core.runtime.examination.tag_catalogs import TagCatalogs

    logging.basicConfig(handlers=[logging.NullHandler()])
    registry = Registry()
    registry.load_all()
    converter = TagCatalogs(registry.catalog).converter(arguments.type)
    options = ConversionOptions(
        device=arguments.device,
        driver=arguments.driver,
        interval_seconds=arguments.interval,
        string_length=arguments.string_length,
        encoding=arguments.encoding,
        leave_out=arguments.leave_out,
        replace=arguments.force,
    )
    try:
        return _report(converter.convert(arguments.file, arguments.to, options), as_json=arguments.json)
    except ConfigError as error:
        return _invalid(error, as_json=arguments.json)


def _export(arguments: argparse.Namespace) -> int:
    from agent_core.runtime.examination.tag_catalogs import TagCatalogs

    logging.basicConfig(handlers=[logging.NullHandler()])
    registry = Registry()
    try:
        config = load_config(arguments.file, registry, redaction=arguments.redaction)
        converter, settings = TagCatalogs(registry.catalog).of_source(config, arguments.source)
        options = ConversionOptions(leave_out=arguments.leave_out, replace=arguments.force)
        return _report(converter.convert(settings, arguments.to, options), as_json=arguments.json)
    except ConfigError as error:
        return _invalid(error, as_json=arguments.json)


def _report(done: Conversion, *, as_json: bool) -> int:
    if as_json:
        found = {
            "groups": done.groups,
            "tags": done.tags,
            "written": [str(file) for file in done.written],
            "problems": [problem_json(problem) for problem in done.problems],
        }
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return exit_code.OK
    print_problems(done.problems, sys.stderr)
    print(f"{amount(done.groups, 'group')}, {amount(done.tags, 'tag')} -> {', '.join(map(str, done.written))}")
    return exit_code.OK


def _invalid(error: ConfigError, *, as_json: bool) -> int:
    if not as_json:
        raise error
    problems = [problem_json(problem) for problem in error.problems]
    print(json.dumps({"written": [], "problems": problems}, indent=2, ensure_ascii=False))
    return exit_code.USER_MISTAKE
