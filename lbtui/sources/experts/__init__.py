"""Experts: placements, loads and heat, from every kind of file that holds them."""
