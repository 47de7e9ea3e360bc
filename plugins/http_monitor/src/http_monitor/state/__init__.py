"""The state: what the monitor knows of the running agent."""
