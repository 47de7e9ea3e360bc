"""The files: the folder, its lock, and the file that is being written."""
