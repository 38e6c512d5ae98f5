"""The Overview: what is there, and what is wrong."""
