"""Reads Mitsubishi PLCs over MC protocol (SLMP) in blocks."""
