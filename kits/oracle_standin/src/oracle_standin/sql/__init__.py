"""SQL: statements, types, and expressions as closures."""
