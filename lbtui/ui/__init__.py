"""The Textual screens. No arithmetic, no file access."""
