"""http_monitor: shows the running agent over HTTP and lets an operator steer it."""
