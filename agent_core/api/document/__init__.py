"""YAML that anybody may have written: plain values, the place of each in the file, and limits on time and memory."""

from agent_core.api.document.document import Document, read_document
from agent_core.api.document.nodes import PathKey, Position
from agent_core.api.document.scalars import parse_scalar

__all__ = ["Document", "PathKey", "Position", "parse_scalar", "read_document"]
