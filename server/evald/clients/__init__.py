"""What flows reach outside with: models, data sets, artifacts."""
