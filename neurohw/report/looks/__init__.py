"""Weight patterns and conductances of trained chips."""
