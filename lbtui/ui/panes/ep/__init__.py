"""The EP pane: heat of experts by layer."""
