"""The Timeline pane: what every process did when, and the way of one request through all of them."""
