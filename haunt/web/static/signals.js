// The newest signals of a symbol.

import { h } from "./element.js";
import * as format from "./format.js";
import { look } from "./rest.js";

const MOST = 12;

export function makeSignals(symbol) {
  let newest = [];
  const list = h("ol", { class: "signal-list" });

  function show() {
    list.replaceChildren(...newest.map((one) => h("li", {},
      h("span", { class: `said ${one.signal}` }, one.signal),
      h("span", { class: "by" }, `${one.indicator} ${one.timeframe}`),
      h("span", { class: "value" }, format.price(one.value, Math.min(4, format.decimalsOf(one.value)))),
      h("time", { datetime: new Date(one.timestamp).toISOString() }, format.clock(one.timestamp)))));
    if (newest.length === 0) list.append(h("li", { class: "empty" }, "None yet"));
  }

  async function begin() {
    const found = await look(`api/signals?${new URLSearchParams({ symbol, limit: MOST })}`);
    if (found === null) return show();
    const before = found.signals.filter((one) => !newest.some((other) => other.indicator === one.indicator && other.timestamp === one.timestamp));
    newest = [...newest, ...before].slice(0, MOST);
    show();
  }

  show();
  return {
    begin,
    element: h("div", {}, h("h2", {}, "Signals"), list),
    add(signal) {
      newest = [signal, ...newest].slice(0, MOST);
      show();
    },
  };
}
