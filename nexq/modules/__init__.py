"""Modules: job types that need no code of one's own. docs/modules.md is their page.

`BUNDLED` come with nexq; others are ordinary packages with an entry point in the group `nexq.modules`.
"""

from nexq.app import Module
from nexq.modules.discovery import BUNDLED, GROUP, Found, discover, find, module_in

__all__ = ["BUNDLED", "GROUP", "Found", "Module", "discover", "find", "module_in"]
