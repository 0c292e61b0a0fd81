"""The doctor: looks at a store and says what is wrong with it. It changes nothing.

It works on live data. Every call to the server is a script that sees a bounded number of jobs at one moment, so a job
that is just being moved is never mistaken for a broken one.
"""

from __future__ import annotations

from nexq.doctor.examiner import examine
from nexq.doctor.report import Finding, Report

__all__ = ["Finding", "Report", "examine"]
