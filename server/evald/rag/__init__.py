"""Metrics of answers that were made from contexts, and of these contexts."""
