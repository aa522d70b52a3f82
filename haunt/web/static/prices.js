// The page of all prices.

import { h, setClass, setText } from "./element.js";
import * as format from "./format.js";
import { everySoOften, inFrame } from "./frame.js";
import { look, symbolPath } from "./rest.js";
import { drawSparkline, makeSparkline } from "./sparkline.js";
import { makeTable } from "./table.js";

const FLASH_AGAIN = 350; // a row that never rests would only flicker
const SECOND = 1000;
const SEEDS_AT_ONCE = 4;
const SEED = { timeframe: "1m", limit: 60 };

/** What the reader left behind when a symbol was opened. */
const left = { filter: "", symbol: null, order: { by: "volume", down: true } };

export function openPrices({ market }) {
  const dirty = new Set();
  const trends = new Set();
  const flashed = new Map();
  let focused = null;

  const columns = [
    { name: "symbol", label: "Symbol", words: "head", value: (row) => row.symbol, text: (row) => row.symbol.toUpperCase() },
    { name: "price", label: "Price", value: (row) => row.price, paint: paintPrice },
    { name: "change", label: "24 h", value: (row) => row.change, paint: paintChange },
    { name: "trend", label: "Last hour", fixed: true, value: () => null, paint: paintTrend },
    { name: "volume", label: "Volume 24 h", value: (row) => row.volume, text: (row) => format.dollars(row.volume) },
    { name: "venues", label: "Venues", value: (row) => row.venues, text: (row) => row.venues || "–" },
    { name: "age", label: "Age", value: age, text: (row) => ageText(age(row)) },
  ];
  const table = makeTable({
    name: "prices", caption: "Live prices in US dollars", columns, key: (row) => row.symbol, sorted: left.order,
    open: (row) => `#/symbol/${encodeURIComponent(row.symbol)}`, empty: "No symbol matches the filter",
  });
  const filter = h("input", {
    id: "filter", type: "search", placeholder: "Filter", autocomplete: "off", spellcheck: "false",
    "aria-label": "Filter symbols", "aria-keyshortcuts": "/", oninput: applyFilter, onkeydown: filterKey,
  });
  const shown = h("span", { class: "count", role: "status" });
  filter.value = left.filter;

  function age(row) {
    return row.timestamp === null ? null : Math.max(0, market.now() - row.timestamp);
  }

  function paintPrice(cell, row, one) {
    if (cell.firstChild === null) cell.append(h("span", {}));
    setText(cell.firstChild, format.price(row.price, row.price === null ? 2 : format.decimalsOf(row.price, row.tick)));
    setClass(one.element, row.price === null || row.stale ? "stale" : "");
  }

  function paintChange(cell, row) {
    setText(cell, format.change(row.change));
    setClass(cell, `change number ${row.change > 0 ? "up" : row.change < 0 ? "down" : ""}`);
  }

  function paintTrend(cell, row) {
    if (cell.firstChild === null) cell.append(makeSparkline());
    trends.add(row.symbol);
  }

  function flash(symbol, time) {
    const state = market.states.get(symbol);
    const one = table.row(symbol);
    if (!state || !one || state.before === null || state.before === state.price) return;
    if (time - (flashed.get(symbol) ?? -Infinity) < FLASH_AGAIN) return;
    flashed.set(symbol, time);
    const cell = one.cells[1].firstChild;
    const turn = cell.dataset.flash?.endsWith("1") ? 2 : 1;
    cell.dataset.flash = `${state.price > state.before ? "up" : "down"}-${turn}`;
  }

  const draw = inFrame((time) => {
    for (const symbol of dirty) {
      table.touch(symbol);
      flash(symbol, time);
    }
    dirty.clear();
  });

  // -- once a second: ages, the order, a share of the sparklines in each frame

  function second() {
    for (const one of table.rows()) setText(one.cells[6], ageText(age(one.row)));
    if (!table.body.matches(":hover, :focus-within")) table.arrange();
    const queue = [...trends].filter((symbol) => inView(table.row(symbol)));
    for (const symbol of queue) trends.delete(symbol);
    drawSome(queue, Math.ceil(queue.length / 30));
  }

  function drawSome(queue, atOnce) {
    for (const symbol of queue.splice(0, atOnce)) {
      const state = market.states.get(symbol);
      const canvas = table.row(symbol)?.cells[3].firstChild;
      if (state && canvas) drawSparkline(canvas, state.trend.points);
    }
    if (queue.length > 0) requestAnimationFrame(() => drawSome(queue, atOnce));
  }

  async function seed() {
    const wanting = [...market.states.values()].filter((state) => !state.trend.seeded && state.price !== null);
    await Promise.all(Array.from({ length: SEEDS_AT_ONCE }, async () => {
      for (let state = wanting.shift(); state !== undefined; state = wanting.shift()) {
        const found = await look(symbolPath("candles", state.symbol, SEED));
        if (found === null) return;
        state.trend.seed(found.candles);
        trends.add(state.symbol);
      }
    }));
  }

  // -- what the reader does

  function applyFilter() {
    left.filter = filter.value;
    const words = filter.value.trim().toLowerCase().split(/[\s,]+/).filter(Boolean);
    const seen = table.filter((row) => words.length === 0 || words.some((word) => row.symbol.includes(word)));
    setText(shown, `${seen} of ${market.states.size}`);
  }

  function filterKey(event) {
    if (event.key === "ArrowDown" || event.key === "Enter") {
      event.preventDefault();
      table.focusFirst();
    }
    if (event.key === "Escape" && filter.value !== "") {
      event.stopPropagation();
      filter.value = "";
      applyFilter();
    }
  }

  function take() {
    table.set([...market.states.values()]);
    applyFilter();
  }

  const unwatch = market.watch((kind, symbol) => {
    if (kind === "symbols") return take();
    if (kind !== "price") return;
    dirty.add(symbol);
    draw();
  });
  take();
  if (left.symbol !== null) focused = left.symbol;
  const ends = [everySoOften(SECOND, second), everySoOften(SECOND, seed)];
  table.body.addEventListener("click", (event) => {
    left.symbol = event.target.closest("tr")?.querySelector("a.open")?.textContent.toLowerCase() ?? null;
  });
  const repaint = () => market.states.forEach((_, symbol) => trends.add(symbol));
  document.addEventListener("theme", repaint);

  return {
    title: "Prices",
    element: h("section", { class: "page", "aria-labelledby": "title" },
      h("div", { class: "heading" }, h("h1", { id: "title" }, "Prices"), shown,
        h("div", { class: "search" }, filter, h("kbd", { "aria-hidden": "true" }, "/"))),
      table.element),
    shown() {
      if (focused !== null) table.focusOn(focused);
      left.symbol = null;
    },
    key(event) {
      if (event.key !== "/" || event.target === filter) return;
      event.preventDefault();
      filter.focus();
      filter.select();
    },
    close() {
      unwatch();
      document.removeEventListener("theme", repaint);
      for (const end of ends) end();
    },
  };
}

function ageText(milliseconds) {
  return format.span(milliseconds === null ? null : milliseconds < 1000 ? 0 : milliseconds / 1000);
}

function inView(one) {
  if (one === undefined || one.hidden) return false;
  const box = one.element.getBoundingClientRect();
  return box.bottom > -200 && box.top < innerHeight + 200;
}
