"""jetstream_sink: publishes records to a stream, from which agents with jetstream_buffer take them."""
