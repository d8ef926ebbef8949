"""Search: which settings of an experiment do best on a validation split, by one objective or several."""
