"""Exports the results for the website and other programs, with one row per palette."""
