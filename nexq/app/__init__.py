"""The app: where handlers are registered and jobs submitted."""

from nexq.app.app import Nexq, SyncNexq
from nexq.app.handler import Bound, Configured, Handler
from nexq.app.job import Job
from nexq.app.submit import Options
from nexq.app.sync import SyncJob

__all__ = ["Bound", "Configured", "Handler", "Job", "Nexq", "Options", "SyncJob", "SyncNexq"]
