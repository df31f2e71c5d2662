"""A self-hosted evaluation service for models, retrievers, RAG pipelines and agents."""

__version__ = "0.1.0"
