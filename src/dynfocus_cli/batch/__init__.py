"""Many videos and many questions in one run: reading the lists of both, and the file of results."""
