"""Deterministic simulation: one seed decides every interleaving of threads, every fault and every moment of time."""
