"""Polls tags of PLCs in groups, through drivers, on a schedule that never drifts."""
