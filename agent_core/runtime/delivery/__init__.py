"""Delivery of one sink: its buffer, its workers, the gate before the sink, and the fallback behind it."""
