"""Examination: what the commands check and doctor say about a source."""
