"""Targets: what the requests attained, by place, length and time, and how their times are distributed."""
