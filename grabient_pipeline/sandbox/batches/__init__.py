"""Batches, ordinary calls and what they cost: the same for every provider."""
