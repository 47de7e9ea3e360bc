"""How a suite of tests runs: its patience, its stopwatch, its property tests."""
