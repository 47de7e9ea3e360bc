"""SQL: statements as plans, expressions as closures."""
