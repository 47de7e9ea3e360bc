"""sqlite_sink: writes tag values into a table of a SQLite file, each value once."""
