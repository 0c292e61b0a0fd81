"""One small adapter per peer, run as a subprocess in the peer's own virtualenv."""
