"""Answers clients: each frame is decoded, counted against the limits, and acted on."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Mapping

from haunt.clock import Clock
from haunt.errors import RequestError
from haunt.market.published import Signal
from haunt.market.symbols import Symbols
from haunt.stream import protocol
from haunt.stream.fanout import Fanout
from haunt.stream.protocol import CHANNELS, Ping, RequestId, Subscribe, Unsubscribe
from haunt.stream.session import Session
from haunt.stream.subscriptions import State, Subscription, Subscriptions, narrowed, widened

logger = logging.getLogger(__name__)

RATE_ERROR_INTERVAL = 1.0  # seconds between two rate_limited errors to one client


class Router:
    """What a client may do. Knows no socket: a session's wire may be anything that takes bytes."""

    def __init__(
        self,
        symbols: Symbols,
        subscriptions: Subscriptions,
        fanout: Fanout,
        *,
        last_signals: Callable[[str], Iterable[Signal]] = lambda symbol: (),
        most_subscriptions: int = 100,
        default_depth: int = 20,
        clock: Clock | None = None,
    ) -> None:
        self.symbols = symbols
        self.errors: dict[str, int] = {}
        self._subscriptions = subscriptions
        self._fanout = fanout
        self._last_signals = last_signals
        self.most_subscriptions = most_subscriptions
        self.default_depth = default_depth
        self._clock = clock or Clock()

    def receive(self, session: Session, message: str | bytes) -> None:
        """Act on one message. Never raises: a mistake is answered with an error, and the client stays."""
        self._fanout.settle(session)
        session.begin_answer()
        try:
            self._answer(session, message)
        finally:
            session.end_answer()

    def leave(self, session: Session) -> None:
        """The client is gone."""
        self._subscriptions.remove(session)
        session.waiting.clear()
        session.owed.clear()

    def revoke(self, session: Session, symbol: str) -> None:
        """A symbol is no longer to be had: this subscriber of it is told, and has the others still."""
        self._fanout.settle(session)
        held = dict(session.subscriptions)
        if held.pop(symbol, None) is None:
            return
        self._move(session, held)
        self._refuse(session, RequestError("invalid_symbol", f"Symbol '{symbol}' is no longer tracked"), None)

    # -- requests

    def _answer(self, session: Session, message: str | bytes) -> None:
        request_id: RequestId = None
        try:
            self._count(session)
            data = protocol.decode(message)
            request_id = protocol.request_id(data)
            request = protocol.parse(data, request_id)
            if isinstance(request, Subscribe):
                self._subscribe(session, request)
            elif isinstance(request, Unsubscribe):
                self._unsubscribe(session, request)
            else:
                self._ping(session, request)
        except RequestError as error:
            self._refuse(session, error, request_id)
        except Exception:
            reference = secrets.token_hex(4)
            logger.exception(
                "Request of %s failed, the client was told reference %s: %.200r", session.name, reference, message
            )
            self._refuse(session, RequestError("internal_error", f"Internal error, reference {reference}"), request_id)

    def _subscribe(self, session: Session, request: Subscribe) -> None:
        held = dict(session.subscriptions)
        accepted: dict[str, None] = {}
        rejected: list[str] = []
        over = 0
        for text in request.symbols if request.channels else ():
            symbol = self._find(session, text, request.id)
            if symbol is None:
                rejected.append(text)
            elif symbol not in held and len(held) >= self.most_subscriptions:
                rejected.append(text)
                over += 1
            else:
                throttle = None if request.throttle_ms is None else request.throttle_ms / 1000
                held[symbol] = widened(held.get(symbol), request.channels, throttle, request.depth, self.default_depth)
                accepted[symbol] = None
        if over:
            self._refuse(session, self._over_the_limit(over, len(accepted)), request.id)
        if accepted:
            self._move(session, held)
        if request.id is not None:
            channels = request.channels
            session.say(protocol.acknowledgement("subscribed", list(accepted), channels, rejected, request.id))
        for symbol in accepted:
            self._tell_state(session, symbol, request)

    def _unsubscribe(self, session: Session, request: Unsubscribe) -> None:
        held = dict(session.subscriptions)
        known: dict[str, None] = {}
        rejected: list[str] = []
        for text in request.symbols:
            symbol = self._find(session, text, request.id)
            if symbol is None:
                rejected.append(text)
                continue
            known[symbol] = None
            left = narrowed(held[symbol], request.channels) if symbol in held else None
            held.pop(symbol, None)
            if left is not None:
                held[symbol] = left
        if held != session.subscriptions:
            self._move(session, held)
        if request.id is not None:
            channels = CHANNELS if request.channels is None else request.channels
            session.say(protocol.acknowledgement("unsubscribed", list(known), channels, rejected, request.id))

    def _ping(self, session: Session, request: Ping) -> None:
        session.say(protocol.pong(self._clock.milliseconds(), request.id))

    # -- parts of them

    def _count(self, session: Session) -> None:
        if session.bucket.take():
            return
        if session.abuse.refuse(self._clock.monotonic()):
            session.wire.close(1008, "too many messages")
        most = f"{session.bucket.rate:g}"
        raise RequestError(
            "rate_limited", f"Too many messages; at most a burst of {most} and {most} per second are read"
        )

    def _move(self, session: Session, held: Mapping[str, Subscription]) -> None:
        held_back = self._fanout.held_back(session)
        self._subscriptions.move(session, held)
        self._fanout.arrived(session, held_back)

    def _find(self, session: Session, text: str, request_id: RequestId) -> str | None:
        symbol = self.symbols.find(text) if len(text.strip()) <= protocol.LONGEST_SYMBOL else None
        if symbol is None:
            message = f"Symbol '{protocol.shortened(text)}' not found"
            self._refuse(session, RequestError("invalid_symbol", message, symbol=text), request_id)
        return symbol

    def _over_the_limit(self, over: int, accepted: int) -> RequestError:
        return RequestError(
            "subscription_limit",
            f"At most {self.most_subscriptions} symbols per connection: {accepted} accepted, {over} rejected",
        )

    def _tell_state(self, session: Session, symbol: str, request: Subscribe) -> None:
        states: tuple[State, ...] = (("price", symbol), ("orderbook", symbol))
        for state in states:
            if state[0] in request.channels:
                self._fanout.tell(session, state)
        if request.snapshot and "signal" in request.channels:
            sent = self._clock.milliseconds() if session.form.extended else None
            for signal in self._last_signals(symbol):
                session.say(protocol.signal_update(signal, sent=sent))

    def _refuse(self, session: Session, error: RequestError, request_id: RequestId) -> None:
        self.errors[error.code] = self.errors.get(error.code, 0) + 1
        if error.code == "rate_limited":
            now = self._clock.monotonic()
            if now - session.rate_error_at < RATE_ERROR_INTERVAL:
                return
            session.rate_error_at = now
        session.say(protocol.error(error.code, error.message, symbol=error.symbol, id=request_id))
