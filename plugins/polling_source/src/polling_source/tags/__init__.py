"""Tags: groups and tags from YAML, CSV and SQLite."""
