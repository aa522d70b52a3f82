"""What an object remembers: copied, turned into JSON data, and made of such data again.

An object's state is what its attributes hold: numbers, text, None and candles; tuples, lists and deques; and objects
with such attributes. Nothing is declared. An attribute that holds a pydantic model holds options, which are no state.
Raises TypeError for anything else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from functools import cache
from math import isfinite
from types import MemberDescriptorType, NoneType
from typing import TypeVar

from pydantic import BaseModel, JsonValue

from haunt.market.candles import Candle

T = TypeVar("T")

SIMPLE = frozenset({float, int, bool, str, NoneType})
TUPLES = frozenset({tuple, Candle})
FIXED = SIMPLE | {Candle}


def copied(thing: T) -> T:
    """One that changes without changing the first."""
    return _copied(thing, {})  # type: ignore[return-value]


def saved(thing: object) -> JsonValue:
    """Its state, exact to the last digit. Raises ValueError for NaN and infinity, which JSON does not have."""
    if type(thing) in SIMPLE:
        return _finite(thing)
    if type(thing) in TUPLES:
        return {type(thing).__name__: [saved(one) for one in thing]}  # type: ignore[attr-defined]
    if isinstance(thing, (list, deque)):
        return [saved(one) for one in thing]
    return {name: saved(value) for name, value in _state(thing).items()}


def restore(thing: object, data: JsonValue) -> None:
    """Give it the state that was saved. Raises ValueError, and changes nothing, when the data does not fit."""
    for name, value in _attributes(_restored(thing, data, {})):
        setattr(thing, name, value)


def _copied(thing: object, known: dict[int, object]) -> object:
    """`known`: what was copied already, so that one object in two places stays one."""
    if type(thing) in FIXED or isinstance(thing, BaseModel):
        return thing
    if id(thing) in known:
        return known[id(thing)]
    if isinstance(thing, (list, deque, tuple)):
        items = [one if type(one) in FIXED else _copied(one, known) for one in thing]
        twin = known[id(thing)] = _sequence(thing, items)
        return twin
    twin = known[id(thing)] = _blank(thing)
    for name, value in _attributes(thing):
        setattr(twin, name, value if type(value) in FIXED else _copied(value, known))
    return twin


def _restored(like: object, data: JsonValue, known: dict[int, object]) -> object:
    if type(like) in FIXED:
        return _value(data)
    if id(like) in known:
        return known[id(like)]
    if isinstance(like, (list, deque, tuple)):
        items = _items(like, data, known)
        made = known[id(like)] = _sequence(like, items)
        return made
    state = _state(like)
    if not isinstance(data, dict) or data.keys() != state.keys():
        raise ValueError(f"a {type(like).__name__} consists of {', '.join(state)}, not of {data!r:.80}")
    made = known[id(like)] = _blank(like)
    for name, value in _attributes(like):
        setattr(made, name, _restored(value, data[name], known) if name in state else value)
    return made


def _items(like: Iterable[object], data: JsonValue, known: dict[int, object]) -> list[object]:
    """Where `like` holds objects, as many must follow; of simple values there may be any number."""
    if isinstance(like, tuple) and isinstance(data, dict):
        data = data.get("tuple")
    if not isinstance(data, list):
        raise ValueError(f"there must be a list, not {data!r:.80}")
    objects = list(like)
    if all(type(one) in FIXED for one in objects):
        return [_value(one) for one in data]
    if len(objects) != len(data):
        raise ValueError(f"there must be {len(objects)} in a list, not {len(data)}")
    return [_restored(one, value, known) for one, value in zip(objects, data, strict=True)]


def _value(data: JsonValue) -> object:
    match data:
        case {"tuple": list(values), **rest} if not rest:
            return tuple(_value(value) for value in values)
        case {"Candle": list(values), **rest} if not rest and len(values) == len(Candle._fields):
            return Candle._make(_value(value) for value in values)
        case list() | dict():
            raise ValueError(f"there must be a number, a text or null, not {data!r:.80}")
    return _finite(data)


def _finite(value: object) -> JsonValue:
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(f"{value} is not JSON")
    return value  # type: ignore[return-value]


def _sequence(like: object, items: list[object]) -> object:
    if isinstance(like, tuple) and type(like) not in TUPLES:
        raise _foreign(like)
    return deque(items, like.maxlen) if isinstance(like, deque) else tuple(items) if isinstance(like, tuple) else items


def _blank(thing: object) -> object:
    try:
        return object.__new__(type(thing))
    except TypeError:  # not a class written in Python
        raise _foreign(thing) from None


def _foreign(thing: object) -> TypeError:
    return TypeError(f"a {type(thing).__name__} cannot be part of an indicator's state")


def _state(thing: object) -> dict[str, object]:
    _blank(thing)
    return {name: value for name, value in _attributes(thing) if not isinstance(value, BaseModel)}


def _attributes(thing: object) -> Iterator[tuple[str, object]]:
    for name in _slots(type(thing)):  # type: ignore[arg-type]
        if hasattr(thing, name):
            yield name, getattr(thing, name)
    yield from getattr(thing, "__dict__", {}).items()


@cache
def _slots(kind: type) -> tuple[str, ...]:
    members = [vars(cls).items() for cls in kind.__mro__]
    return tuple(name for member in members for name, value in member if isinstance(value, MemberDescriptorType))
