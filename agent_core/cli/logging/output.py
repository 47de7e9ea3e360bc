"""Where log records go while a command runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from agent_core.api import Log, SystemClock
from agent_core.cli.logging.foreign_limit import ForeignLimit
from agent_core.cli.logging.format import ConsoleFormatter, JsonFormatter
from agent_core.cli.logging.mask import masked_records
from agent_core.config import LogConfig, LogFormat, Redaction

_log = Log(__name__)


@contextmanager
def logging_to(
    handlers: Sequence[logging.Handler], config: LogConfig, redaction: Redaction, plugins: Iterable[str]
) -> Iterator[None]:
    """Send every record of ``config.level`` and above to ``handlers``, without secrets, while the block runs.

    ``plugins`` are the names of those that limit what they log. Warnings of Python and the deaths of threads become
    records too.
    """
    formatter = JsonFormatter() if config.format is LogFormat.JSON else ConsoleFormatter()
    limit = ForeignLimit(SystemClock(), frozenset(("agent_core", *plugins)))
    root, thread_hook = logging.getLogger(), threading.excepthook
    level = root.level
    with masked_records(redaction) as mask:
        for handler in handlers:
            handler.setFormatter(formatter)
            handler.addFilter(mask)
            handler.addFilter(limit)
            root.addHandler(handler)
        root.setLevel(config.level.upper())
        logging.captureWarnings(True)
        threading.excepthook = _log_thread_death
        try:
            yield
        finally:
            threading.excepthook = thread_hook
            logging.captureWarnings(False)
            root.setLevel(level)
            for handler in reversed(handlers):  # while the others can still tell what this one could not write
                handler.close()
            for handler in handlers:
                root.removeHandler(handler)
                handler.removeFilter(limit)
                handler.removeFilter(mask)


def _log_thread_death(death: threading.ExceptHookArgs) -> None:
    if death.exc_type is SystemExit or death.exc_value is None:
        return
    name = "?" if death.thread is None else death.thread.name
    _log.critical("thread died", thread=name, exc_info=death.exc_value)
