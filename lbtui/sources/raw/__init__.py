"""Readers of the raw profile, as the profiler recorded it."""
