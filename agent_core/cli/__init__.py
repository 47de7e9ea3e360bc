"""The command ``tagferry``: parsing and printing only."""
