"""What every pane is made of."""
