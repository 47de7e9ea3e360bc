"""A driver for a device that is not there: its tags say themselves how their values move."""
