"""`make tiny`: how `dynfocus-tiny` is trained from nothing, on clips that are generated."""
