"""Steps and rounds: forward passes, who owns them, and what is streamed of large tables."""
