"""Reads OPC UA servers, many items in one request."""
