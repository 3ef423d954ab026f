"""The figures that the project promises, measured on the machine at hand: `python -m benchmarks` or `make bench`.

What belongs here is measuring: each benchmark is a function that gives measurements, with its floor taken in the same
run, so that a slow or busy machine slows both down. No test lives here and nothing here is imported by the pipeline.
"""
