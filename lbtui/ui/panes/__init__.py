"""The panes: each draws one dimension of the load; `order` tells which there are."""
