"""Metrics of agents: of what they said, which tools they called, and where they arrived."""
