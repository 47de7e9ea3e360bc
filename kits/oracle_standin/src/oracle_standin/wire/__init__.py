"""The wire: TNS packets, TTC messages, and the log-on."""
