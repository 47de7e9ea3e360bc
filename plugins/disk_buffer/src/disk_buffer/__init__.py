"""disk_buffer: keeps records in a file, first in, first out; they survive the process and the machine."""
