"""The P/D pane: requests per prefill and decode node over time."""
