"""``tagferry plugins``: which plugins are installed, and which are broken."""

from __future__ import annotations

import argparse
import json
import logging

from agent_core.cli import exit_code
from agent_core.cli.subcommand import Subcommands, command_parser
from agent_core.cli.text.table import text_table
from agent_core.registry import Catalog, Registry


def add_parser(commands: Subcommands[argparse.ArgumentParser]) -> None:
    parser = command_parser(
        commands,
        "plugins",
        "list the installed plugins",
        "Imports every installed plugin and lists what it provides. A plugin that cannot be used is listed with the\n"
        "reason; the others are not affected.",
        "  tagferry plugins\n  tagferry plugins --json",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    parser.set_defaults(command=plugins)


def plugins(arguments: argparse.Namespace) -> int:
    logging.basicConfig(handlers=[logging.NullHandler()])
    registry = Registry()
    registry.load_all()
    catalog = registry.catalog
    if arguments.json:
        print(json.dumps(_as_json(catalog), indent=2, ensure_ascii=False))
        return exit_code.OK
    if catalog.plugins:
        rows = [
            [
                plugin.name,
                ", ".join(plugin.kinds) or "observer",
                plugin.version,
                plugin.built_for or "any",
                plugin.distribution,
                plugin.summary,
            ]
            for plugin in catalog.plugins
        ]
        print("\n".join(text_table(["type", "kind", "version", "for tagferry", "distribution", "summary"], rows)))
    else:
        print("no plugins are installed; each is a distribution of its own, such as tagferry-memory-buffer")
    if catalog.broken:
        print("\nbroken:")
        for broken in catalog.broken:
            print(f"  {broken.name} ({broken.distribution} {broken.version}): {broken.reason}")
    return exit_code.OK


def _as_json(catalog: Catalog) -> dict[str, object]:
    return {
        "plugins": [
            {
                "type": plugin.name,
                "kinds": list(plugin.kinds),
                "version": plugin.version,
                "built_for": plugin.built_for,
                "distribution": plugin.distribution,
                "summary": plugin.summary,
            }
            for plugin in catalog.plugins
        ],
        "broken": [
            {
                "type": broken.name,
                "version": broken.version,
                "distribution": broken.distribution,
                "reason": broken.reason,
            }
            for broken in catalog.broken
        ],
    }
