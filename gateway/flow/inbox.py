"""Take in what the upstream calls back: stored first, answered then (contract §7, T9).

Three kinds of callers come here: who has shown an order's own token, who has signed under an
order's upstream key, and who has proved nothing. The first two are heard, the last is only a
reason to look up; what a word then does to an order is decided in `domain.truth`. What a replay
brings is short and always the same here, so that the journal can write it once.
"""

from collections.abc import Callable
from enum import StrEnum

from msgspec.structs import replace

from gateway.clock import Clock
from gateway.domain.errors import JournalUnavailable
from gateway.domain.order import Evidence, Order, Silence, Source
from gateway.domain.truth import is_worth_asking
from gateway.flow.directory import Directory
from gateway.flow.settlement import Settlement
from gateway.flow.submission import Submission
from gateway.flow.worker import Bell, passed, run_forever
from gateway.log import get_logger
from gateway.protocol.callback import UNKNOWN_WORD, Callback, parse_callback, parse_hint
from gateway.protocol.webhook import SignedBody, parse_webhook
from gateway.protocol.words import plain
from gateway.redaction import redact
from gateway.store import Form, Kind, Store, WaitingCallback

log = get_logger(__name__)

# Of callbacks without a token, by form: who proved nothing, and a reseller who knows the upstream
# key and signs what he likes, fill no disk. A hint takes some 100 bytes, a body up to 64 KiB.
MAX_KEPT = {Form.HINT: 10_000, Form.JSON: 1_000}
_EVERY_S = 5.0
# A kept callback is tried again after a minute, then after as long as it has waited, at most after
# a quarter of an hour: an order that turns up is looked up by itself meanwhile.
_TRY_AGAIN_MS = 60_000
_TRY_AGAIN_AT_MOST_MS = 900_000
_GIVE_UP_MS = 7 * 24 * 3_600_000  # a callback without an order after a week is nobody's
_BATCH = 100
_CLAIM_S = 30.0  # a batch is done by then; else another gateway hears what is left as well
_SHOWN_CHARACTERS = 200  # of a note, or of what was not understood, in a timeline


class Taken(StrEnum):
    """What became of a callback."""

    STORED = "stored"  # its order heard it
    KEPT = "kept"  # its order is not known yet
    UNSIGNED = "signature"  # nothing was stored, for nobody proved anything
    FULL = "full"  # nothing was stored, for too much is kept: to be called again
    NOBODYS = "nobody"  # nothing was stored: it names no order that could be ours


def _nobody(_: Order) -> None:
    """Tell nobody: nothing is wired yet."""


class Inbox:
    """Callbacks, from their arrival to the door of evidence.

    Every `receive` is durable when it returns. Where it raises `JournalUnavailable` nothing is
    stored, and the upstream must call again.
    """

    def __init__(
        self,
        store: Store,
        settlement: Settlement,
        submission: Submission,
        directory: Directory,
        clock: Clock,
    ) -> None:
        self.bell = Bell()
        self._store = store
        self._settlement = settlement
        self._submission = submission
        self._directory = directory
        self._clock = clock
        self._tell_news: Callable[[Order], None] = _nobody
        self._kept: dict[Form, int] = {}  # at least so many; counted anew at the limit

    def listen(self, tell_news: Callable[[Order], None]) -> None:
        """Set whom to tell of each order that a callback spoke of."""
        self._tell_news = tell_news

    async def receive(self, upstream_trx_id: str, raw_query: str) -> Taken:
        """Take in a query that came with an order's own token.

        Args:
            upstream_trx_id: the order whose token was shown.
            raw_query: the callback's query as it came.
        """
        passed("callback.before")
        order = await self._order(upstream_trx_id)
        if order is None:
            return await self._keep(upstream_trx_id, Form.TEXT, plain(raw_query))
        return await self._hear(order, parse_callback(raw_query), raw_query)

    async def receive_signed(self, upstream_trx_id: str | None, body: SignedBody) -> Taken:
        """Take in a signed body.

        Args:
            upstream_trx_id: the order whose token was shown, or None where there was no token.
            body: what came, still to be checked.
        """
        passed("callback.before")
        callback = parse_webhook(body.raw)
        name = upstream_trx_id or callback.trx_id
        if name is None:
            return Taken.UNSIGNED  # no order, so no key to check it under
        order = await self._order(name)
        if order is None:
            return await self._keep_signed(name, callback, body, by_token=name == upstream_trx_id)
        if not self._is_signed(body, order.account):
            return Taken.UNSIGNED
        return await self._hear(order, callback, body.raw.decode("utf-8", "replace"))

    def _is_signed(self, body: SignedBody, account: str | None) -> bool:
        return body.is_signed_with(self._directory.upstream_key(account))

    async def _keep_signed(
        self, name: str, callback: Callback, body: SignedBody, *, by_token: bool
    ) -> Taken:
        """Keep a signed body whose order is not known; its signature is checked again then."""
        if by_token:  # its order's key may be known as late as the order
            if not body.is_well_signed:
                return Taken.UNSIGNED
            if callback.trx_id != name:
                return await self._keep(name, Form.TEXT, "")  # only a reason to look up
        else:
            reseller = self._directory.by_code(name.partition("-")[0])
            if reseller is None or not self._is_signed(body, reseller.account):
                return Taken.UNSIGNED
            return await self._keep_few(name, Form.JSON, body.to_text())
        return await self._keep(name, Form.JSON, body.to_text())

    async def receive_hint(self, raw_query: str, *, keep: bool) -> Taken:
        """Take in a query of somebody who proved nothing.

        Args:
            raw_query: the callback's query as it came.
            keep: whether one may be kept whose order is not known yet.
        """
        passed("callback.before")
        hint = parse_hint(raw_query)
        name = hint.trx_id
        if name is not None and self._directory.by_code(name.partition("-")[0]) is not None:
            order = await self._order(name)
            if order is None:
                if not keep:
                    return Taken.NOBODYS
                return await self._keep_few(name, Form.HINT, hint.word)
        elif hint.invoice_number is not None:
            order = await self._store.order_by_invoice(hint.invoice_number, None)
        else:
            order = None
        return Taken.NOBODYS if order is None else await self._hear_hint(order, hint.word)

    async def _keep_few(self, name: str, form: Form, text: str) -> Taken:
        """Keep a callback that came without its order's token, while there is room."""
        most = MAX_KEPT[form]
        if self._kept.get(form, most) >= most:
            self._kept[form] = await self._store.count_waiting_callbacks(form)
        if self._kept[form] >= most:
            return Taken.FULL
        self._kept[form] += 1
        return await self._keep(name, form, text)

    async def _keep(self, name: str, form: Form, text: str) -> Taken:
        await self._store.keep_callback(name, form, text, self._clock())
        log.warning("callback.kept", upstream_trx_id=name, form=form.value)
        return Taken.KEPT

    async def _hear(
        self, order: Order, callback: Callback, raw: str, *, kept: bool = False
    ) -> Taken:
        """Give the door what was said by who proved that it may speak of this order."""
        evidence = callback.evidence
        if callback.trx_id != order.upstream_trx_id:
            evidence = None
        if evidence is None:
            reason = "it names another order, or no status that is known"
            evidence = Evidence(source=Source.CALLBACK, verdict=Silence.NO_ANSWER, reason=reason)
            said = redact(plain(raw[: 2 * _SHOWN_CHARACTERS]))[:_SHOWN_CHARACTERS]
        else:
            said = f"{evidence.verdict}. {evidence.note[:_SHOWN_CHARACTERS]}"
            said += f" · {(evidence.invoice_number or '-')[:_SHOWN_CHARACTERS]}"
        if kept or not order.is_open:
            # What waited, and what may be a replay, tells a balance of long ago.
            evidence = replace(evidence, saldo=None)
        return await self._settle(order, evidence, said)

    async def _hear_hint(self, order: Order, word: str) -> Taken:
        """Let an order be looked up, unless the hint says what is known."""
        if not is_worth_asking(order, word):
            return Taken.STORED
        evidence = Evidence(source=Source.CALLBACK, verdict=Silence.HINT)
        status = "something else" if word == UNKNOWN_WORD else word
        return await self._settle(order, evidence, f"without token or signature: {status}")

    async def _settle(self, order: Order, evidence: Evidence, said: str) -> Taken:
        self._submission.heard_of(order.id)
        change = await self._settlement.settle(order.id, evidence, said)
        self._tell_news(change.order)
        log.info("callback.received", upstream_trx_id=order.upstream_trx_id)
        return Taken.STORED

    async def _order(self, upstream_trx_id: str) -> Order | None:
        reseller, _, trx_id = upstream_trx_id.partition("-")
        return await self._store.order_by_trx_id(reseller, trx_id)

    async def run(self) -> None:
        """Try kept callbacks again, for ever."""
        await run_forever(self.step, self.bell, every_s=_EVERY_S)

    async def step(self) -> bool:
        """Try what is due once more; True when there may be more."""
        nodes, now = self._store.nodes, self._clock()
        waiting = await self._store.waiting_callbacks(now, _BATCH)
        ids = [kept.id for kept in waiting]
        claimed = await nodes.claim(Kind.CALLBACK, ids, now, _CLAIM_S)
        for kept in waiting:
            if kept.id not in claimed:
                continue
            try:
                await self._try_again(kept)
            except JournalUnavailable:
                raise
            except Exception:  # one that can not be taken stops no other
                log.exception("callback.stuck", upstream_trx_id=kept.upstream_trx_id)
                await self._store.put_off_callback(kept.id, self._clock() + _TRY_AGAIN_AT_MOST_MS)
        await nodes.release(Kind.CALLBACK, list(claimed))
        return len(waiting) == _BATCH

    async def _try_again(self, kept: WaitingCallback) -> None:
        order = await self._order(kept.upstream_trx_id)
        now = self._clock()
        waited = now - kept.received_at
        next_at: int | None = now + min(max(waited, _TRY_AGAIN_MS), _TRY_AGAIN_AT_MOST_MS)
        if order is not None:
            await self._take_up(order, kept)
            next_at = None
        elif waited > _GIVE_UP_MS:
            give_up = log.warning if kept.form is Form.HINT else log.error
            give_up("callback.given_up", upstream_trx_id=kept.upstream_trx_id)
            next_at = None
        await self._store.put_off_callback(kept.id, next_at)

    async def _take_up(self, order: Order, kept: WaitingCallback) -> None:
        """Let a kept callback through the door that it would have come through."""
        if kept.form is Form.HINT:
            await self._hear_hint(order, kept.text)
        elif kept.form is Form.TEXT:
            await self._hear(order, parse_callback(kept.text), kept.text, kept=True)
        else:
            body = SignedBody.from_text(kept.text)
            if self._is_signed(body, order.account):
                said = body.raw.decode("utf-8")
                await self._hear(order, parse_webhook(body.raw), said, kept=True)
            else:
                log.warning("callback.dropped", upstream_trx_id=kept.upstream_trx_id)
