"""What-if by replay, over the DP and the P/D pane: other routing, other numbers of P and D nodes."""
