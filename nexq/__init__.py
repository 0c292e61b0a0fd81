"""nexq."""
