"""One source: what it hands over, and whether it still works."""
