"""HTTP: the REST API, health, metrics. `create_asgi(app)` is the whole of it as one ASGI application."""
