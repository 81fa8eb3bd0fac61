"""The channels on which the operator hears of alerts: Telegram, or any webhook.

A channel knows its own address and secrets, and tells neither to anybody: what it says of an
attempt is one short line in which they are masked, should the other side have repeated them.
"""

import hmac
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import NamedTuple

from gateway.clients.notices import NoticeClient, NotPosted
from gateway.clients.wire import Answer
from gateway.protocol.notices import Tell, body_of
from gateway.protocol.telegram import read_answer, send_message
from gateway.redaction import MASK, redact

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_PATIENCE_S = 3600  # who wants to be left alone for longer is asked again then


class Told(NamedTuple):
    """What came of telling.

    Attributes:
        ok: the channel took it.
        said: one short line for the operator, without secrets.
        retry_after_s: how long the channel wants to be left alone, seconds.
    """

    ok: bool
    said: str
    retry_after_s: int = 0


class Telegram:
    """A chat, by the plain Bot API.

    Args:
        client: carries a request.
        base_url: of the API.
        token: the bot's.
        chat: a chat's number, or `@name` of a channel.
    """

    name = "telegram"

    def __init__(self, client: NoticeClient, base_url: str, token: str, chat: str) -> None:
        self._client = client
        self._base_url = base_url
        self._token = token
        self._chat = chat

    async def tell(self, _: str, text: str, __: Sequence[Tell], ___: int) -> Told:
        """Send a text to the chat; nothing that the other side does raises."""
        path, body = send_message(self._token, self._chat, text)
        try:
            answer = await self._client.post(f"{self._base_url}{path}", body, _NO_HEADERS)
        except NotPosted as error:
            return Told(ok=False, said=str(error))
        said = read_answer(answer.status, answer.body)
        words = _without(said.words, self._token)
        return Told(said.ok, words, min(said.retry_after_s, _PATIENCE_S))


class Webhook:
    """Any address that takes JSON.

    Args:
        client: carries a request.
        url: where to; it may hold a secret.
        secret: signs the body, hex HMAC-SHA256 in `x-signature`; None signs nothing.
    """

    name = "webhook"

    def __init__(self, client: NoticeClient, url: str, secret: str | None) -> None:
        self._client = client
        self._url = url
        self._secret = secret

    async def tell(self, name: str, text: str, tells: Sequence[Tell], now: int) -> Told:
        """Post what there is to tell; nothing that the other side does raises."""
        body = body_of(name, text, tells, now)
        headers = {}
        if self._secret is not None:
            headers["x-signature"] = hmac.new(self._secret.encode(), body, "sha256").hexdigest()
        try:
            answer = await self._client.post(self._url, body, headers)
        except NotPosted as error:
            return Told(ok=False, said=str(error))
        return _judged(answer)


def _judged(answer: Answer) -> Told:
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return Told(ok=True, said="ok")
    if answer.status < HTTPStatus.BAD_REQUEST:
        return Told(ok=False, said=f"HTTP {answer.status}, redirects are not followed")
    wait = answer.retry_after
    wait_s = int(wait) if wait.isascii() and wait.isdigit() and len(wait) < 6 else 0  # noqa: PLR2004 - a day has five digits
    return Told(ok=False, said=f"HTTP {answer.status}", retry_after_s=min(wait_s, _PATIENCE_S))


def _without(words: str, secret: str) -> str:
    return redact(words.replace(secret, MASK))
