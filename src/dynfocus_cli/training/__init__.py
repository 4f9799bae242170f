"""`dynfocus train`; in `tiny/`, the recipe of the model that is shipped."""
