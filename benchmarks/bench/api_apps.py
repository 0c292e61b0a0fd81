"""What the API's benchmark serves: an app of nexq, and the bare echo beside it."""

from typing import Any

from nexq import Nexq

app = Nexq()


@app.handler("send_email")
async def send_email(to: str, n: int) -> None:
    """The no-op job."""


def serve_echo(port: int) -> None:
    """A bare Starlette JSON echo on uvicorn, with the loop and the parser that nexq's server has."""
    import orjson
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    async def echo(request: Request) -> Response:
        return Response(orjson.dumps(orjson.loads(await request.body())), 202, media_type="application/json")

    site: Any = Starlette(routes=[Route("/api/jobs", echo, methods=["POST"])])
    uvicorn.run(site, port=port, log_level="error", access_log=False, server_header=False, proxy_headers=False)
