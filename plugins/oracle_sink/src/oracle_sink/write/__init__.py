"""The write: one batch, one transaction, an outcome for each record."""
