"""Measurements of evald beside what else could do the work: `python -m benchmarks [names]`."""
