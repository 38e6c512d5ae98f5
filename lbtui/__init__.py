"""lbtui: where an LLM serving cluster's load is unbalanced, shown in a terminal."""

__version__ = "0.1.0"
