"""The line that `:` opens: what can be written there, how it is completed, and what comes of it."""
