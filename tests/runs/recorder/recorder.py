"""A third-party plugin as small as they come: it observes what is collected and writes it to $RECORDER_FILE."""

import json
import os
import threading

from agent_core.api import Batch, hookimpl

_lock = threading.Lock()


@hookimpl
def agent_batch_collected(source_id: str, batch: Batch) -> None:
    """One JSON line a batch: names, values, timestamps in ns, qualities."""
    line = json.dumps([batch.names, batch.values, list(batch.stamps()), list(batch.qualities)])
    with _lock, open(os.environ["RECORDER_FILE"], "a", encoding="utf-8") as file:  # noqa: PTH123
        file.write(line + "\n")
