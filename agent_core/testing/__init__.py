"""The conformance kit: what plugin authors import to test a plugin as the core would use it."""
