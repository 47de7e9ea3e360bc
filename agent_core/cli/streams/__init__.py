"""Standard output and standard error that nobody has to wait for."""
