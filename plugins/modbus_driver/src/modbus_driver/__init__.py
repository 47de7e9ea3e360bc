"""Reads Modbus TCP devices in blocks."""
