"""Files: whether a folder can be written to, what the agent's own files may be for others, reading within a limit."""
