"""How results read: text for people, JSON for scripts."""
