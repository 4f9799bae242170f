"""One file a family: how its frames become tokens, and what stands around them."""
