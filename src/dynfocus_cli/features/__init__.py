"""From decoded frames to patch features."""
