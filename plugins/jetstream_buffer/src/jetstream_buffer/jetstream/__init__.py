"""jetstream: what the two ends of one stream share. NATS is known here only, and in ``jetstream_sink``.

``connection`` talks to the server, ``stream`` and ``consumer`` say what is safe, ``pull`` is the engine behind the
buffer, ``message`` is how records travel.
"""
