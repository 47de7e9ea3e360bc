"""The store: tables, transactions, the dictionary, the accounts."""
