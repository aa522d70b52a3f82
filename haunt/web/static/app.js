// Puts the dashboard together: the header, the link, and the page that the address names.

import { openLink } from "./connection.js";
import { h, setText } from "./element.js";
import { everySoOften } from "./frame.js";
import { openMarket } from "./market.js";
import { openPlugins } from "./plugins.js";
import { openPrices } from "./prices.js";
import { get, look, Refused } from "./rest.js";
import { openSources } from "./sources.js";
import { openSymbol } from "./symbol.js";
import { askForToken } from "./token.js";

const LOST_AFTER = 10_000; // without a link: what is shown is old
const HEALTH_EVERY = 5_000;

const market = openMarket();
const main = document.getElementById("main");
let page = null;
let linkState = { state: "connecting" };
let down = performance.now();
let rtt = null;
const link = openLink({ prepare, hear: market.hear, tell });

/** The symbols there are; asks the reader for a token until the server takes it. */
async function prepare() {
  for (;;) {
    try {
      const { symbols, timeframes } = await get("api/symbols");
      market.timeframes = timeframes;
      market.take(symbols);
      return symbols.map((one) => one.symbol);
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 401) throw error;
      await askForToken();
    }
  }
}

// -- the header

function tell(state) {
  if (state.state === "connected") {
    down = null;
    rtt = state.rtt ?? rtt;
  } else down ??= performance.now();
  linkState = state;
  showLink();
}

function showLink() {
  const lost = down !== null && performance.now() - down > LOST_AFTER;
  const words = { connected: "connected", connecting: lost ? "lost, connecting" : "connecting", waiting: lost ? "lost, reconnecting" : "reconnecting" };
  const more = {
    connected: rtt === null ? "" : `${Math.max(1, Math.round(rtt))} ms`,
    connecting: "",
    waiting: `in ${Math.max(0, Math.ceil((linkState.until - performance.now()) / 1000))} s`,
  };
  document.body.dataset.link = linkState.state === "connected" ? "connected" : lost ? "lost" : "reconnecting";
  setText(document.getElementById("link-state"), words[linkState.state]);
  setText(document.getElementById("link-more"), more[linkState.state]);
  document.getElementById("link").title = linkState.reason ?? "";
}

async function showHealth() {
  const [health, prices] = await Promise.all([look("health"), linkState.state === "connected" ? look("api/prices") : null]);
  if (prices !== null) market.check(prices.prices);
  if (health === null) return;
  const made = Object.entries(health.sources).filter(([, source]) => source.simulated).map(([name]) => name);
  document.getElementById("simulated").hidden = !health.simulated;
  setText(document.getElementById("simulated-by"), `from ${made.join(", ")}: these prices are made up.`);
}

// -- the pages

function route() {
  const [, name = "", ...rest] = location.hash.split("/").map(decoded);
  const context = { market, link, rest };
  if (name === "symbol" && page?.symbol === rest[0] && page?.route(rest)) return;
  page?.close();
  page = { "": openPrices, symbol: openSymbol, sources: openSources, plugins: openPlugins }[name]?.(context) ?? nowhere();
  main.replaceChildren(page.element);
  document.title = `${page.title} · Haunt`;
  for (const anchor of document.querySelectorAll("nav a")) {
    const here = anchor.getAttribute("href") === `#/${name === "symbol" ? "" : name}`;
    if (here) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
  scrollTo(0, 0);
  page.shown?.();
}

function nowhere() {
  const element = h("section", { class: "page" }, h("h1", {}, "Nothing here"), h("p", {}, h("a", { href: "#/" }, "All prices")));
  return { title: "Nothing here", element, close() {} };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

addEventListener("hashchange", route);
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.getElementById("token").open) return;
  page?.key?.(event);
});
setInterval(showLink, 1000);
everySoOften(HEALTH_EVERY, showHealth);
route();
