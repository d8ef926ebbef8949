"""Learning: the loop, how contrasts are written, schedules, and the phases of each mode."""
