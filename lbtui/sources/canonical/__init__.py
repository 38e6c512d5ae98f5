"""Canonical frames: raw tables of one output joined, their traps undone, each with its provenance."""
