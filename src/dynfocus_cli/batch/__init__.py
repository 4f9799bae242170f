"""Many videos and many questions: what is read, in which order, and what is kept of it."""
