"""The Compare pane: what differs between two profiles."""
