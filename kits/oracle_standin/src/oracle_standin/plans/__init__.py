"""Plans: statements compiled for a session, which run once for each row of an array."""
