"""Documents, queries, and how well those are found by these."""
