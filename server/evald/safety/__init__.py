"""Benchmarks of safety: what is asked, and what judges of safety say of the answers."""
