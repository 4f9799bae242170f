"""Compact cooperative encoding: how many tokens each frame is given, and which."""
