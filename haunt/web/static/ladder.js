// The ladder: the best levels of both sides, the asks above the bids.

import { h, setText } from "./element.js";
import * as format from "./format.js";

const LEVELS = 10;

export function makeLadder() {
  const asks = Array.from({ length: LEVELS }, () => makeLevel("ask"));
  const bids = Array.from({ length: LEVELS }, () => makeLevel("bid"));
  const spread = h("td", { colspan: "3" });
  const element = h("table", { class: "ladder" }, h("caption", { class: "unseen" }, "Order book"),
    h("thead", {}, h("tr", {}, ...["Price", "Quantity", "Sum"].map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, ...asks.map((one) => one.row).reverse(), h("tr", { class: "spread" }, spread), ...bids.map((one) => one.row)));

  function fill(rows, levels, decimals, most) {
    let sum = 0;
    rows.forEach((one, index) => {
      const level = levels[index];
      sum += level?.quantity ?? 0;
      setText(one.price, level ? format.price(level.price, decimals) : "");
      setText(one.quantity, level ? format.quantity(level.quantity) : "");
      setText(one.sum, level ? format.quantity(sum) : "");
      one.row.title = level?.venues ? Object.entries(level.venues).map(([venue, part]) => `${venue} ${part}`).join("\n") : "";
      one.bar.style.transform = `scaleX(${level ? sum / most : 0})`;
    });
  }

  return {
    element,
    set({ bids: buy, asks: sell }) {
      if (buy.length === 0 || sell.length === 0) return;
      const decimals = format.decimalsOf(buy[0].price);
      const total = (levels) => levels.slice(0, LEVELS).reduce((sum, level) => sum + level.quantity, 0);
      const most = Math.max(total(buy), total(sell));
      fill(asks, sell, decimals, most);
      fill(bids, buy, decimals, most);
      const gap = sell[0].price - buy[0].price;
      setText(spread, `spread ${format.price(gap, decimals)}  ·  ${format.price((gap / sell[0].price) * 10_000, 2)} bp`);
    },
  };
}

function makeLevel(side) {
  const bar = h("i", { class: "size", "aria-hidden": "true" });
  const price = h("span", {});
  const quantity = h("td", {});
  const sum = h("td", {});
  const row = h("tr", { class: side }, h("td", {}, bar, price), quantity, sum);
  return { row, bar, price, quantity, sum };
}
