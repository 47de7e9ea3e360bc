"""The door: where the monitor listens, and who may ask for what."""
