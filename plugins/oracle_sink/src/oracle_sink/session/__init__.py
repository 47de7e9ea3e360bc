"""Sessions: how to reach the database, the log-in and its latch, and what each error means."""
