"""What lm-eval is asked for: its tasks, their requests and their scores."""
