"""What the user sees: JSON records with their schemas, text on the terminal, and files in several formats."""
