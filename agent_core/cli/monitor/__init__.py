"""The monitor of a running agent, seen from a terminal."""
