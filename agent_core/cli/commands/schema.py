"""``tagferry schema``: the one JSON Schema of agent.yaml, merged from the installed plugins."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

from agent_core.api.files.private import shared_opener
from agent_core.cli import exit_code
from agent_core.cli.subcommand import Subcommands, command_parser
from agent_core.cli.text.amount import amount
from agent_core.config import merged_schema
from agent_core.registry import Registry


def add_parser(commands: Subcommands[argparse.ArgumentParser]) -> None:
    parser = command_parser(
        commands,
        "schema",
        "print the JSON Schema of agent.yaml",
        "Prints one JSON Schema (2020-12), merged from the core and every installed plugin: the schema that\n"
        "`tagferry check` and `tagferry run` validate with. Editors use it for completion when the file begins with\n"
        "  # yaml-language-server: $schema=./agent.schema.json",
        "  tagferry schema -o agent.schema.json",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write to FILE instead of standard output")
    parser.set_defaults(command=schema)


def schema(arguments: argparse.Namespace) -> int:
    logging.basicConfig(handlers=[logging.NullHandler()])
    registry = Registry()
    registry.load_all()
    catalog = registry.catalog
    merged = merged_schema(factory for plugin in catalog.plugins for factory in plugin.factories)
    text = json.dumps(merged, indent=2, ensure_ascii=False)
    if arguments.output is None:
        print(text)
    else:
        with open(arguments.output, "w", encoding="utf-8", newline="\n", opener=shared_opener) as stream:
            stream.write(text + "\n")
        print(f"wrote {arguments.output}: {amount(len(catalog.plugins), 'plugin')}", file=sys.stderr)
    for broken in catalog.broken:
        print(f"warning: left out: {broken.reason}", file=sys.stderr)
    return exit_code.OK
