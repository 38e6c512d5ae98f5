"""Expert load over time, and what another placement of experts would do."""
