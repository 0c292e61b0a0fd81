"""Webhooks: what is written, what is sent, to whom, and to whom never."""
