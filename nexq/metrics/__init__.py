"""Metrics: what a server tells of all queues, and what a worker tells of itself.

The names live in `names.py`. The worker keeps plain counters and knows nothing of this package; this package reads
them when somebody asks.
"""
