"""Benchmarks of nexq: one question per file, the raw floor of the server and the peers side by side."""
