"""The document: YAML text as values, with the place of each in the file."""
