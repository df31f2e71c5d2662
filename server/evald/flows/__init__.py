"""One file per kind of evaluation."""
