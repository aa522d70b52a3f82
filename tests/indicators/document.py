"""Writes docs/indicators.md from the indicators themselves. `scripts/indicators` runs it."""

from __future__ import annotations

import inspect
import json
import re
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import talib
from definitions import NAMES, difference, made, outputs, said
from pydantic.fields import FieldInfo
from series import GENERATED, RECORDED, recorded

from haunt import Candle, Indicator, RatedOptions
from haunt.plugin.registry import Registry, options_class

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "indicators.md"
LABELS = ("Warm-up", "Level", "Confirmed", "Confidence")
HEAD = """\
# Indicators

Sixteen indicators come with Haunt, and one that asks what they agree on. This document is written by
`scripts/indicators` from what the plugins say of themselves; [plugins.md](plugins.md) shows how to write another.

An indicator reads the closed candles of one symbol in one timeframe. Each instance under `indicators:` in config.yaml
has its own timeframe and options, and its name there is the `indicator` of its signals:

```yaml
indicators:
  rsi:
  rsi_4h:
    plugin: rsi
    timeframe: 4h
    rule: confirmed
    buy_below: 25.0
```

- **Signals.** A `signal_update` is sent when a closed candle changes an indicator's state, which begins as neutral:
  `buy` and `sell` begin a state, `neutral` ends it. The running candle changes nothing, so no signal is taken back.
- **Rules.** With `rule: level` the state lasts while the indicator is past its level. With `rule: confirmed` it must
  have turned as well, in the style of technical ratings: an oversold oscillator counts once it rises, a close beside
  an average once the next is there too. It signals later, and less.
- **Confidence** is 0..1 and grows with the distance past the level. It is 0 when neutral, and no probability.
- **Values.** `value` is the primary output, `values` holds all by name.
- **Warm-up.** Nothing is said before TA-Lib's first value.

Every indicator has these options, and those of its own below:

{options}

## All of them

{difference}

| indicator | what it is | outputs, the primary one first | difference |
|---|---|---|---:|
"""
CONSENSUS = "what the other indicators of a symbol agree on | `consensus`, `buys`, `sells`, `neutrals`"
DIFFERENCE = """\
*Difference* is the largest to TA-Lib {talib} over {series}, with default options: as a part of the value or, where a
value passes through zero, of 1e-5 of the numbers it is the rest of. TA-Lib's running sums keep what a gap in prices
rounded away; Haunt's are made anew of the candles in the window, and right to the last digits.
"""


def written(series: Mapping[str, Sequence[Candle]], described: str) -> str:
    rows = [*(row(name, series) for name in NAMES), f"| [consensus](#consensus) | {CONSENSUS} | |"]
    sections = [section(Registry().indicator(name)) for name in [*NAMES, "consensus"]]
    common = options_table(RatedOptions.model_fields)
    difference = filled(DIFFERENCE.format(talib=talib.__version__, series=described))
    head = HEAD.format(options=common, difference=difference)
    return head + "\n".join(rows) + "\n\n" + "\n\n".join(sections) + "\n"


def row(name: str, series: Mapping[str, Sequence[Candle]]) -> str:
    options = {"session": "9999w"} if name == "vwap" else {}
    largest = 0.0
    for candles in series.values():
        indicator = made(name, **options)
        found, expected = outputs(indicator, candles), said(name, indicator.options, candles)
        largest = max(largest, *(difference(found[output], expected, output) for output in found))
    names = [expected.primary, *(output for output in found if output != expected.primary)]
    title = (inspect.getmodule(type(indicator)).__doc__ or "").split(": ", 1)[1].strip().rstrip(".")
    shown = ", ".join(f"`{output}`" for output in names)
    return f"| [{name}](#{name}) | {title} | {shown} | {largest:.0e} |".replace("0e+00", "none")


def section(cls: type[Indicator]) -> str:
    text, labelled = inspect.cleandoc(cls.__doc__ or ""), {}
    text, *rest = re.split(rf"^({'|'.join(LABELS)}): ", text, flags=re.MULTILINE)
    labelled = dict(zip(rest[::2], rest[1::2], strict=True))
    parts = [f"### {cls.name}", *paragraphs(text), "\n".join(item(label, labelled[label]) for label in LABELS)]
    fields = options_class(cls).model_fields
    own = {name: field for name, field in fields.items() if name not in RatedOptions.model_fields}
    return "\n\n".join([*parts, options_table(own)])


def paragraphs(text: str) -> list[str]:
    """Formulas become blocks of their own."""
    return [
        f"```text\n{textwrap.dedent(part)}\n```" if part.startswith("    ") else filled(part)
        for part in re.split(r"\n\n+", text.strip())
    ]


def item(label: str, text: str) -> str:
    return filled(f"- **{label}**: {text}", "  ")


def filled(text: str, hang: str = "") -> str:
    words = " ".join(text.split())
    return textwrap.fill(words, 119, subsequent_indent=hang, break_long_words=False, break_on_hyphens=False)


def options_table(fields: Mapping[str, FieldInfo]) -> str:
    lines = ["| option | default | what it is |", "|---|---|---|"]
    for name, field in fields.items():
        default = field.default if isinstance(field.default, str) else json.dumps(field.default)
        lines.append(f"| `{name}` | {default} | {field.description} |")
    return "\n".join(lines)


def measured(shared: Path) -> str:
    """The document, its differences measured over all series."""
    series = {**GENERATED, **{name: recorded(name, shared) for name in RECORDED}}
    count = sum(map(len, series.values()))
    return written(series, f"{len(RECORDED)} recorded and {len(GENERATED)} invented series, {count:,} candles")


def main() -> None:
    shared = ROOT.parent / "shared"
    if not shared.is_dir():
        sys.exit(f"The differences are measured over recordings in {shared}, which is absent")
    DOCUMENT.write_text(measured(shared), encoding="utf-8")


if __name__ == "__main__":
    main()
