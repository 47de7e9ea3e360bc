"""memory_buffer: keeps records in memory, first in, first out."""
