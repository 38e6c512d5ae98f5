"""Replay of a recorded service: what its requests would have met with otherwise routed, parted or mended."""
