"""Run an adapter: ``python -m benchmarks.peers NAME ROLE ...`` (so that its module is never ``__main__``)."""

import importlib
import sys

from benchmarks.peers import base

if __name__ == "__main__":
    name = sys.argv.pop(1)
    module = importlib.import_module("benchmarks.floor" if name == "floor" else f"benchmarks.peers.{name}")
    base.main(module.Peer())
