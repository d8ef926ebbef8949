"""Energy: counts in; joules, seconds, square metres and lifetimes out."""
