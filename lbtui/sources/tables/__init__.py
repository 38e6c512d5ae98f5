"""Tables of text: CSV and SQLite, their cells, and which of them are usable."""
