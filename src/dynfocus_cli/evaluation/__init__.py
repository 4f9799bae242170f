"""`dynfocus eval`: the field's benchmarks, and paired comparisons at equal tokens."""
