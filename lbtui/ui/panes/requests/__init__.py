"""The Requests pane: a table of requests, and their queues over time."""
