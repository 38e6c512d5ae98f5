"""The Timeline drawn: pure functions, slices in, rows out."""
