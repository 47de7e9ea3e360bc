"""Reads Siemens S7 PLCs in blocks."""
