"""Backends: where the jobs are kept. `connect(url)` picks one."""
