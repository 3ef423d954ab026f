"""Measures the figures that the project promises: `python -m benchmarks` or `make bench`.

Each benchmark is a function that returns measurements. It measures its floor, a baseline for the same task, in the same
run, so that a slow or busy machine affects both. There are no tests here, and the pipeline imports nothing from here.
"""
