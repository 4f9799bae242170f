"""Request -> token price -> memory plan -> fallbacks; and after encoding, what the frames are given."""
