// The page of one symbol: its price, its candles, its order book, and how the price came about.

import { makeChart } from "./candles.js";
import { makeDepth } from "./depth.js";
import { h, setClass, setText } from "./element.js";
import * as format from "./format.js";
import { everySoOften, inFrame } from "./frame.js";
import { makeLadder } from "./ladder.js";
import { get, look, Refused, symbolPath } from "./rest.js";
import { makeSignals } from "./signals.js";
import { makeStudy, place, refresh, usual } from "./studies.js";
import { makeVenues } from "./venues.js";

const DEPTH = 50;
const CANDLES = 500;
const TAIL = 5;
const SECOND = 1000;
const LOOK_AGAIN = 2000;

export function openSymbol({ market, link, rest: [written, asked] }) {
  const symbol = written.toLowerCase();
  const name = symbol.toUpperCase();
  const parts = {
    price: h("output", { class: "price", "aria-label": "Price" }, "–"), change: h("span", { class: "change" }),
    facts: h("dl", { class: "facts" }), timeframes: h("div", { class: "choice", role: "group", "aria-label": "Timeframe" }),
    studies: h("div", { class: "choice", role: "group", "aria-label": "Indicators" }),
    readout: h("output", { class: "readout", "aria-live": "off" }), note: h("p", { class: "note" }),
    trouble: h("p", { class: "notice", role: "alert", hidden: true }),
  };
  const facts = Object.fromEntries(["Volume 24 h", "Venues", "Apart", "Confidence", "Age"].map((label) => {
    const value = h("dd", {}, "–");
    parts.facts.append(h("div", {}, h("dt", {}, label), value));
    return [label, value];
  }));
  const chart = makeChart({ point: showReadout, label: `Candles of ${name}` });
  const depth = makeDepth(`Depth of the order book of ${name}`);
  const ladder = makeLadder();
  const venues = makeVenues(symbol);
  const signals = makeSignals(symbol);
  let timeframe = null;
  let indicators = [];
  let candles = [];
  let studies = [];
  let chosen = new Set();
  let pointed;
  let closed = false;

  // -- the head

  const showPrice = inFrame(() => {
    const state = market.states.get(symbol);
    if (!state || state.price === null) return;
    setText(parts.price, format.price(state.price, format.decimalsOf(state.price, state.tick)));
    setText(parts.change, format.change(state.change));
    setClass(parts.change, `change ${state.change > 0 ? "up" : state.change < 0 ? "down" : ""}`);
    setClass(parts.price, state.stale ? "price stale" : "price");
    setText(facts["Volume 24 h"], format.dollars(state.volume));
    setText(facts.Venues, String(state.venues || "–"));
    setText(facts.Apart, format.price(state.dispersion, format.decimalsOf(state.price)));
    setText(facts.Confidence, [state.confidence, ...state.flags].filter(Boolean).join(", "));
    document.title = `${format.price(state.price)} ${name} · Haunt`;
  });

  function showAge() {
    const state = market.states.get(symbol);
    if (state?.timestamp) setText(facts.Age, format.span(Math.max(0, market.now() - state.timestamp) / 1000));
  }

  // -- the chart

  function showReadout(candle) {
    pointed = candle;
    const shown = candle ?? candles.at(-1);
    if (shown === undefined) return setText(parts.readout, "");
    const decimals = format.decimalsOf(shown.close);
    const values = [["O", shown.open], ["H", shown.high], ["L", shown.low], ["C", shown.close]];
    const words = values.map(([letter, value]) => `${letter} ${format.price(value, decimals)}`);
    const when = format.timeframeLength(timeframe) >= 86_400_000 ? format.day(shown.start) : format.clock(shown.start);
    const marks = [shown.filled && "no price came", shown.gap && "gap"].filter(Boolean);
    setText(parts.readout, [when, ...words, `V ${format.quantity(shown.volume)}`, ...marks].join("   "));
  }

  function follow(message) {
    const last = candles.at(-1);
    if (last === undefined || last.closed || message.timestamp >= last.start + format.timeframeLength(timeframe)) return;
    last.close = message.price;
    last.high = Math.max(last.high, message.price);
    last.low = Math.min(last.low, message.price);
    chart.set({});
    if (pointed === undefined) showReadout();
  }

  async function update(limit) {
    const mine = timeframe;
    const found = await look(symbolPath("candles", symbol, { timeframe: mine, limit }));
    if (found === null || closed || mine !== timeframe || found.candles.length === 0) return;
    const first = found.candles[0].start;
    // More than the tail is missing, as after a time without a link.
    if (limit === TAIL && candles.length > 0 && first > candles.at(-1).start) return update(CANDLES);
    const grown = candles.at(-1)?.start !== found.candles.at(-1).start;
    candles = [...candles.filter((candle) => candle.start < first), ...found.candles].slice(-CANDLES * 2);
    if (grown) await updateStudies(limit);
    if (mine !== timeframe) return;
    chart.set({ candles, timeframe, decimals: format.decimalsOf(candles.at(-1).close), studies: shownStudies() });
    showReadout(pointed);
  }

  async function updateStudies(limit) {
    await Promise.all(shownStudies().map((study) => refresh(study, symbol, study.readings.size === 0 ? CANDLES : limit)));
    for (const study of studies) if (candles.length > 0) place(study, candles.at(-1).close);
  }

  function shownStudies() {
    return studies.filter((study) => chosen.has(study.name));
  }

  function choose(next) {
    timeframe = next;
    candles = [];
    pointed = undefined;
    const here = indicators.filter((one) => one.timeframe === timeframe);
    studies = here.map(makeStudy);
    chosen = usual(here);
    for (const choice of parts.timeframes.children) {
      if (choice.dataset.timeframe === timeframe) choice.setAttribute("aria-current", "true");
      else choice.removeAttribute("aria-current");
    }
    parts.studies.replaceChildren(...here.map((one) => h("button", {
      type: "button", "aria-pressed": String(chosen.has(one.name)), onclick: (event) => toggle(event.currentTarget, one.name),
    }, one.name)));
    const elsewhere = indicators.map((one) => `${one.name} (${one.timeframe})`).join(", ");
    parts.note.hidden = here.length > 0;
    setText(parts.note, elsewhere ? `No indicator reads the candles of ${timeframe}. There are ${elsewhere}.` : "The configuration names no indicator.");
    update(CANDLES);
  }

  async function toggle(button, study) {
    if (!chosen.delete(study)) chosen.add(study);
    button.setAttribute("aria-pressed", String(chosen.has(study)));
    await updateStudies(TAIL);
    chart.set({ studies: shownStudies() });
  }

  function offer(timeframes) {
    parts.timeframes.replaceChildren(...timeframes.map((one) =>
      h("a", { href: `#/symbol/${encodeURIComponent(symbol)}/${one}`, "data-timeframe": one }, one)));
    const preferred = indicators.find((one) => timeframes.includes(one.timeframe))?.timeframe ?? "1m";
    choose(timeframes.includes(asked) ? asked : timeframes.includes(preferred) ? preferred : timeframes[0]);
  }

  async function begin() {
    try {
      indicators = (await get("api/indicators")).indicators;
      if (closed) return;
      offer(market.timeframes);
      await signals.begin();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  }

  function tick() {
    showAge();
    const missing = market.states.size > 0 && !market.states.has(symbol);
    parts.trouble.hidden = !missing;
    setText(parts.trouble, missing ? `This server has no symbol ${name}.` : "");
    return timeframe === null && market.states.has(symbol) ? begin() : null;
  }

  const unwatch = market.watch((kind, of, message) => {
    if (of !== symbol) return;
    if (kind === "price") {
      showPrice();
      follow(message);
    }
    if (kind === "book") {
      depth.set(message);
      ladder.set(message);
    }
    if (kind === "signal") signals.add(message);
  });
  link.wantBook(symbol, DEPTH);
  showPrice();
  const ends = [
    everySoOften(SECOND, tick),
    everySoOften(LOOK_AGAIN, () => (timeframe === null ? null : update(TAIL))),
    everySoOften(SECOND, () => market.states.has(symbol) && venues.refresh()),
  ];

  return {
    title: name,
    symbol,
    element: h("section", { class: "page symbol", "aria-labelledby": "title" },
      h("div", { class: "heading" }, h("a", { class: "back", href: "#/", "aria-label": "All prices" }, "←"),
        h("h1", { id: "title" }, name), h("div", { class: "quote" }, parts.price, parts.change), parts.facts),
      parts.trouble,
      h("div", { class: "panels" },
        h("section", { class: "panel candles", "aria-label": "Candles" },
          h("div", { class: "tools" }, parts.timeframes, parts.studies), parts.readout, chart.element, parts.note),
        h("section", { class: "panel book", "aria-label": "Order book" },
          h("h2", {}, "Order book"), depth.element, ladder.element),
        h("section", { class: "panel venues", "aria-label": "How the price came about" }, venues.element),
        h("section", { class: "panel signals", "aria-label": "Signals" }, signals.element))),
    /** The same symbol with another timeframe: the page stays. */
    route([, next]) {
      if (next === undefined || timeframe === null || !(market.timeframes ?? []).includes(next)) return next === undefined;
      if (next !== timeframe) choose(next);
      return true;
    },
    key(event) {
      if (event.key === "Escape") location.hash = "#/";
    },
    close() {
      closed = true;
      link.dropBook(symbol);
      unwatch();
      for (const part of [chart, depth]) part.close();
      for (const end of ends) end();
    },
  };
}
