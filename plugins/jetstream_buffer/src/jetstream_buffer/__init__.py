"""jetstream_buffer: takes the records of a sink from a stream that other agents fill."""
