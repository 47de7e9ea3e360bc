"""What is wrong now, by cause, and what to do about it."""
