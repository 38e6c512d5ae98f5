"""Slices over time: of profiler.db, of the trace, of a raw profile, and what the tables tell of them."""
