"""Imported by transformers, never called here: frames come as arrays."""
