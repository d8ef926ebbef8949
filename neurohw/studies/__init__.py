"""Studies: many runs of one experiment, planned, timed, executed, and held against what is expected."""
