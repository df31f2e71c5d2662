"""Runs jobs: claim, lease GPUs, run, finish."""
