"""What-if: the placement that would have been, over the EP pane."""
