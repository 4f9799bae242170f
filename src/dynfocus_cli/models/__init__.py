"""Models that answer: opening them, what they cost, and one file a family."""
