"""DynFocus in front of a stock Hugging Face video model: choose frames, spend tokens there, keep two for the
rest."""
