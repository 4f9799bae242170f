"""Ask a local video a question and see the evidence."""

__version__ = "0.1.0"
