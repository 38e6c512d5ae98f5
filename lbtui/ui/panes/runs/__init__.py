"""The Runs pane: many runs side by side, what changed over them, and what was tuned."""
