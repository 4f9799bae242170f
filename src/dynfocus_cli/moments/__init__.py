"""When something happens in a video: score curves, spans of time, shots, and the index of a library."""
