"""Runs side by side, without a screen: text, Markdown, JSON."""
