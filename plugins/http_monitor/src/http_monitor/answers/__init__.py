"""What the monitor answers: one typed model for each path, built from snapshots."""
