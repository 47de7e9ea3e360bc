"""An agent to be monitored: a fake one whose state a test sets, and clients that ask the monitor about it."""
