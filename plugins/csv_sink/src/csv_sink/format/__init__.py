"""The format: records as lines of a CSV file, and back."""
