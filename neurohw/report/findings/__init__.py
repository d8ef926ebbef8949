"""What reports say together: sentences filled from their records, figures of the same numbers, and what backs each."""
