"""Logging: to standard error and, optionally, to a file."""
