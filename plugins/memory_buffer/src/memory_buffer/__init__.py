"""A bounded first-in, first-out buffer in memory."""
