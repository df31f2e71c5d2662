"""The benchmarks of simple-evals: what is asked, how answers are found, and how they are graded."""
