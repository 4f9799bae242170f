"""A world of generated clips whose every question has one exact answer."""
