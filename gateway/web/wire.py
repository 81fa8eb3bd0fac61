"""What every handler needs of HTTP: the query as it came, and an answer of one line."""

from aiohttp import web


def raw_query(request: web.Request) -> str:
    """Return what stands behind the first `?` of the request line, as it came."""
    return request.raw_path.partition("?")[2]


def line(text: str, status: int = 200) -> web.Response:
    """Return one line of text, `text/plain; charset=utf-8`."""
    return web.Response(text=text, status=status, content_type="text/plain", charset="utf-8")
