"""Fixtures of the fault tests."""

from tests.support.embedded_procs import folder

__all__ = ["folder"]
