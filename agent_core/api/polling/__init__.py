"""Polling: drivers, their reading plans, and lists of tags."""
