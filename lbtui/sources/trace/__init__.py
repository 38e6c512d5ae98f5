"""Traces: events of chrome_tracing.json, and what they tell of requests and nodes."""
