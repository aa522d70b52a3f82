// How a symbol's price came about: what each venue says, and what it counts for or why not.

import { h, setText } from "./element.js";
import * as format from "./format.js";
import { look, symbolPath } from "./rest.js";
import { makeTable } from "./table.js";

export function makeVenues(symbol) {
  let decimals = 2;
  const percent = (part, digits) => (part === null ? "–" : format.change(part * 100, digits));
  const table = makeTable({
    name: "venue-list",
    caption: "Venues",
    key: (row) => `${row.source} ${row.market}`,
    sorted: { by: "weight", down: true },
    empty: "No venue has this symbol yet",
    columns: [
      { name: "venue", label: "Venue", words: "head", value: (row) => row.venue },
      { name: "market", label: "Market", words: true, value: (row) => row.market },
      { name: "price", label: "Price", value: (row) => row.price, text: (row) => `${format.price(row.price, decimals)} ${row.price === null ? "" : row.quote}` },
      { name: "age", label: "Age", value: (row) => row.age, text: (row) => format.span(row.age, 1) },
      { name: "deviation", label: "Off by", value: (row) => row.deviation, text: (row) => percent(row.deviation, 3) },
      { name: "weight", label: "Weight", value: (row) => row.weight, text: (row) => (row.weight ? format.price(row.weight * 100, 1) + " %" : "0") },
      { name: "vote", label: "Counts as", value: (row) => row.vote, text: (row) => (row.vote === null ? row.why_not ?? "–" : format.price(row.vote, decimals)) },
    ],
  });
  const summary = h("p", { class: "note" });
  return {
    element: h("div", {}, h("h2", {}, "How this price came about"), table.element, summary),
    async refresh() {
      const found = await look(symbolPath("explain", symbol));
      if (found === null) return;
      decimals = format.decimalsOf(found.price ?? found.median ?? 0);
      table.set(found.markets);
      for (const row of found.markets) table.row(`${row.source} ${row.market}`).element.className = row.vote === null ? "out" : "";
      setText(summary, told(found, decimals));
    },
  };
}

function told(found, decimals) {
  if (found.median === null) return found.price === null ? "No venue has a vote yet." : "No venue has a vote any more; this is the last price.";
  const method = { hcp: "The mean of the votes", median: "The median of the votes", last: "The price that moved last" }[found.method];
  const price = (value) => format.price(value, decimals);
  const clamp = found.method === "hcp" ? `, each held between ${price(found.low)} and ${price(found.high)}` : "";
  return `${method}${clamp}. Their median is ${price(found.median)}.`;
}
