"""The core of the agent: it moves batches between plugins and knows none of them by name."""

__version__ = "0.2.0"
