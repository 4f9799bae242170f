"""The network: configuration, parts, assembly, prompts and generation."""
