"""Energy in reports: what the accounts that records carry say of points, as numbers, tables and figures."""
