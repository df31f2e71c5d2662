"""Generated from protos/; not edited."""
