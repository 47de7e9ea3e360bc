"""The table: names, what the data dictionary says, and how values are encoded for each column."""
