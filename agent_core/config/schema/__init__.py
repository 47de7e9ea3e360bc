"""The schema: what a document may say, and its values in the form that plugins get."""
