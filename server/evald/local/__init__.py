"""Models that evald runs itself: a checkpoint behind an OpenAI-compatible endpoint of its own."""
