"""The command ``agent``: parsing and printing only."""
