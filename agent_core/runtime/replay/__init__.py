"""Replay: what waits in a fallback is written back into the sink, automatically or by command."""
