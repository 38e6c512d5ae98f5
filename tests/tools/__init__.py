"""Makers of test and demo data in the formats of msServiceProfiler's parser."""
