"""Dynamic event prototype estimation: which moments of a video are meaningful."""
