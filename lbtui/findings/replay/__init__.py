"""A profile's service replayed: read, fitted, tested against its own recording, and asked."""
