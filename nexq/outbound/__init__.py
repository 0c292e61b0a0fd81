"""Calls to others on somebody's behalf: which addresses may be called, and connections to those very addresses."""

from nexq.outbound.guard import Guard, NotAllowed, Place, Target, Unresolved, is_public, parse_url

__all__ = ["Guard", "NotAllowed", "Place", "Target", "Unresolved", "is_public", "parse_url"]
