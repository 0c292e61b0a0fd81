"""The worker: claims jobs, runs them, hands in their outcomes."""
