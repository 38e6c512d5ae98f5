"""The SQL pane: the answer to a query as a table, in the place of the pane it was asked in."""
