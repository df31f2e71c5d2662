"""What evald is about, in plain Python: states, ids, references, lists, access."""
