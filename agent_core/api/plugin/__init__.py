"""What a plugin registers, and what the core tells it."""
