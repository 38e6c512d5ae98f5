"""What a profile holds, in lines of figures: load frames, call analysis, speak sentences."""
