"""The paths, by topic; each class makes the router of its own."""
