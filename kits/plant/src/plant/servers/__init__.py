"""Servers: devices to poll, each in a process of its own, and what their tags hold."""
