"""Deliberate failures: the list of them, and the functions that damage answers and result files."""
