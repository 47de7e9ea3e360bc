"""The line of ``tagferry check`` about one sink."""

from __future__ import annotations

from dataclasses import replace

from runtime.configurations import SINK

from agent_core.cli.commands.check import _sink_facts


def test_a_sink_without_inputs_says_only_what_buffer_it_has() -> None:
    assert _sink_facts(SINK).startswith("from line; acme; 10 records")
    assert _sink_facts(replace(SINK, inputs=())).startswith("acme; 10 records")
