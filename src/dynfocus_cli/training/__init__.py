"""The recipes that train the shipped model, and what they share."""
