"""The table: names, what the dictionary says, and how values are encoded for each column."""
