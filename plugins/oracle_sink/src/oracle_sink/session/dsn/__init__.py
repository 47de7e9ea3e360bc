"""Dsn: where the database is: what is wrong with a dsn as written, its addresses, and the time that they need."""
