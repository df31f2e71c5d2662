"""What is asked of a judge, and how its answers become scores."""
