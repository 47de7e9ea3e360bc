"""The engine: one worker per device polls its groups on a schedule and emits what it read."""
