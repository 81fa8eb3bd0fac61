"""One call is one request on the wire.

aiohttp's client sends an idempotent request (every GET) a second time, unasked, when a kept-alive
connection drops before the answer (aio-libs/aiohttp#10790). For an order that would be a second
purchase, for a delivery an attempt that nobody counted. The repetition is triggered by two kinds
of errors; the middleware here turns exactly these into an error of ours, which aiohttp passes on.
Nothing but that may live here: the upstream's client and the resellers' client share it.
"""

import aiohttp


class ConnectionDropped(aiohttp.ClientError):
    """The connection ended after the request may have left and before its answer came.

    Whether the other side saw the request is unknown. It is never raised when no connection was
    made: those errors (`aiohttp.ClientConnectorError`) keep their type, because they prove that
    not one byte of the request left.
    """


async def once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send the request one time; for `ClientSession(middlewares=(once,))`.

    Args:
        request: What goes out.
        handler: aiohttp's own way of sending it.

    Returns:
        The answer, its head read.

    Raises:
        ConnectionDropped: Where aiohttp would have repeated the request.
        aiohttp.ClientConnectorError: No connection was made; nothing was sent.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise ConnectionDropped("connection dropped before an answer") from error
