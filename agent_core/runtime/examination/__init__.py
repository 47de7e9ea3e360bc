"""Examination: inspects parts and surroundings without running them, for the commands check, doctor and catalog."""
