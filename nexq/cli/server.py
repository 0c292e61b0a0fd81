"""`nexq server`: the API, without a worker."""

from __future__ import annotations

from typing import Annotated

import typer

from nexq.app import Nexq
from nexq.cli import logs
from nexq.cli.appref import load_app
from nexq.cli.common import AllowUnsafe, LogFormat, LogLevel, Namespace, RootPath, Url, export, read_root_path
from nexq.cli.moduleref import Modules, load_modules
from nexq.cli.worker import make_settings, warn_of_own_url
from nexq.config import setting
from nexq.web.auth import Guard


def server(
    app: Annotated[
        str | None, typer.Argument(envvar="NEXQ_APP", help="module:attribute of the app. Default: no handlers")
    ] = None,
    module: Modules = None,
    host: Annotated[
        str, typer.Option("--host", envvar="NEXQ_HOST", help="Address to listen on.", show_default=True)
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option("--port", envvar="NEXQ_PORT", help="Default: 8080; 0: a free one", max=65535, min=0)
    ] = None,
    auth: Annotated[
        bool | None,
        typer.Option(
            "--auth/--no-auth",
            envvar="NEXQ_AUTH",
            help="Whether callers need a token. Default: when there are tokens; beyond this machine always",
            show_default=False,
        ),
    ] = None,
    trust_proxy: Annotated[
        str,
        typer.Option(
            "--trust-proxy",
            envvar="NEXQ_TRUST_PROXY",
            help="Addresses of proxies, with commas between, that say who the client is (X-Forwarded-For, -Proto).",
        ),
    ] = "",
    root_path: RootPath = None,
    url: Url = None,
    namespace: Namespace = None,
    allow_unsafe: AllowUnsafe = False,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Serve the API until stopped: SIGTERM or Ctrl-C lets running requests end."""
    from nexq.web.bind import bind
    from nexq.web.run import Serving, run

    export(url=url, namespace=namespace, allow_unsafe=allow_unsafe)
    prefix = read_root_path(root_path)
    listening = bind(host, setting("port", port, 8080))
    try:
        ref = setting("app", app, "")
        loaded = load_app(ref) if ref else Nexq()
        logs.set_up(setting("log_level", log_level, "info"), setting("log_format", log_format, "console"))
        warn_of_own_url(loaded, url, namespace)
        load_modules(loaded, module, all_found=False)
        keep = make_settings(None, None, None, None).keep.pack()
        where = listening.getsockname()

        def ready(guard: Guard) -> None:
            shown = f"[{where[0]}]" if ":" in where[0] else where[0]
            typer.echo(f"nexq serves http://{shown}:{where[1]}    (ready: /readyz)    jobs: {_place(loaded)}")

        try:
            run(loaded, listening, Serving(auth=auth, keep=keep, proxies=trust_proxy, prefix=prefix), ready)
        finally:
            loaded.runner.close(loaded.aclose)
    finally:
        listening.close()


def _place(app: Nexq) -> str:
    """Where the jobs are, without credentials. To be called on a running loop."""
    return app.link().store.backend.url
