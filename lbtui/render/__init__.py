"""Pure drawing: numbers in, rows of styled segments out. Knows nothing of files, analysis or Textual."""
