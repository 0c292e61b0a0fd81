"""What every question shares: a fresh server, the subjects, processor time, tables and JSON."""
