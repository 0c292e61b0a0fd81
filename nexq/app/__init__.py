"""The app: where handlers are registered and jobs submitted."""

from nexq.app.app import Nexq, SyncNexq
from nexq.app.handler import Bound, Configured, Handler
from nexq.app.job import Job
from nexq.app.module import Module
from nexq.app.submit import Options
from nexq.app.sync import SyncJob

__all__ = ["Bound", "Configured", "Handler", "Job", "Module", "Nexq", "Options", "SyncJob", "SyncNexq"]
