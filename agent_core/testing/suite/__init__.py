"""How a suite of tests runs: its patience, its property tests, what it does not overlook."""
