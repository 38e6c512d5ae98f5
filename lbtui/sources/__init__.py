"""One module per thing on disk; each yields canonical frames and says what it could not read."""
