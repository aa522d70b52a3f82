"""The section `symbols`: a list of names, or names with options."""

from __future__ import annotations

from pydantic import RootModel

from haunt.config.document import Data, Document
from haunt.config.model import Price, SymbolName, SymbolOptions
from haunt.config.problems import shown, validate
from haunt.market.composite import PriceRules
from haunt.market.symbols import Symbol


class Names(RootModel[tuple[SymbolName, ...]]):
    """`[btc, eth]`"""


class Described(RootModel[dict[SymbolName, SymbolOptions | None]]):
    """`btc: {aliases: [xbt], tick: 0.01}`"""


def read_symbols(document: Document, price: Price) -> tuple[Symbol, ...]:
    """The symbols in the order of the file, without those that are refused. `price` is the section of that name."""
    key, data = ("symbols",), document.data.get("symbols")
    if data is None or data == [] or data == {}:
        document.report(key, "must name at least one, such as [btc, eth]")
        return ()
    if isinstance(data, list):
        names = validate(Names, data, document, key)
        return _once(names.root, document, price) if names else ()
    if isinstance(data, dict):
        described = validate(Described, data, document, key)
        _check_aliases(data, document)
        return tuple(_symbol(name, options, price) for name, options in described.root.items()) if described else ()
    document.report(key, f"must be a list such as [btc, eth] or 'name:' lines, not {shown(data)}")
    return ()


def written_names(document: Document) -> dict[str, str]:
    """Every name and alias in the section, right or wrong, and the symbol it stands for."""
    data = document.data.get("symbols")
    if isinstance(data, list):
        return {name: name for name in data if isinstance(name, str)}
    if not isinstance(data, dict):
        return {}
    return {alias: name for name in data for alias in _aliases(data, name)} | {name: name for name in data}


def _once(names: tuple[str, ...], document: Document, price: Price) -> tuple[Symbol, ...]:
    symbols: dict[str, Symbol] = {}
    for index, name in enumerate(names):
        if name in symbols:
            document.report(("symbols", index), f"'{name}' is here a second time")
        symbols[name] = _symbol(name, None, price)
    return tuple(symbols.values())


def _symbol(name: str, options: SymbolOptions | None, price: Price) -> Symbol:
    options = options or SymbolOptions()
    own = options.price.model_dump(exclude_unset=True) if options.price else {}
    return Symbol(name, options.aliases, options.tick, PriceRules(**{**price.model_dump(), **own}))


def _check_aliases(data: dict[str, Data], document: Document) -> None:
    taken = dict.fromkeys(data, "is a symbol itself")
    for name in data:
        for index, alias in enumerate(_aliases(data, name)):
            if alias in taken:
                document.report(("symbols", name, "aliases", index), f"{shown(alias)} {taken[alias]}")
            taken.setdefault(alias, f"is an alias of {shown(name)} already")


def _aliases(data: dict[str, Data], name: str) -> list[str]:
    given = data[name]
    aliases = given.get("aliases") if isinstance(given, dict) else None
    return [str(alias) for alias in aliases] if isinstance(aliases, list) else []
