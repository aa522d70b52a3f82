// The page of the sources: what is connected, fresh, wrong.

import { h, setClass, setText } from "./element.js";
import * as format from "./format.js";
import { everySoOften } from "./frame.js";
import { look } from "./rest.js";
import { makeTable } from "./table.js";

const SECOND = 1000;

export function openSources() {
  const table = makeTable({
    name: "sources",
    caption: "Sources",
    key: (row) => row.name,
    sorted: { by: "source", down: false },
    empty: "The configuration names no source",
    columns: [
      { name: "source", label: "Source", words: "head", value: (row) => row.name, paint: paintName },
      { name: "state", label: "State", words: true, value: (row) => row.state, paint: paintState },
      { name: "fresh", label: "Fresh", value: (row) => row.symbols.fresh, text: (row) => `${row.symbols.fresh} of ${row.symbols.subscribed}` },
      { name: "rate", label: "Messages/s", value: (row) => row.messages_per_second, text: (row) => format.rate(row.messages_per_second) },
      { name: "age", label: "Last data", value: (row) => row.last_data_age, text: (row) => format.span(row.last_data_age, 1) },
      { name: "restarts", label: "Reconnects", value: (row) => row.restarts, text: (row) => format.count(row.restarts) },
      { name: "gaps", label: "Gaps", value: (row) => row.gaps, text: (row) => `${format.count(row.gaps)}${row.open_gaps ? `, ${row.open_gaps} open` : ""}` },
      { name: "rejected", label: "Rejected", value: (row) => row.rejected, text: (row) => format.count(row.rejected) },
      { name: "error", label: "Last error", words: true, value: (row) => row.error || null, text: (row) => row.error || "none" },
    ],
  });
  const summary = h("span", { class: "count", role: "status" });

  async function refresh() {
    const found = await look("api/sources");
    if (found === null) return;
    table.set(found.sources);
    const active = found.sources.filter((source) => source.active).length;
    setText(summary, `${active} of ${found.sources.length} active`);
  }

  const end = everySoOften(SECOND, refresh);
  return {
    title: "Sources",
    element: h("section", { class: "page", "aria-labelledby": "title" },
      h("div", { class: "heading" }, h("h1", { id: "title" }, "Sources"), summary), table.element,
      h("p", { class: "note" }, "Fresh: markets that are not silent. Gaps: breaks in an order book's numbering; open ones last. ",
        h("a", { href: "health" }, "/health"), " has it all as JSON.")),
    close: end,
  };
}

function paintName(cell, row) {
  if (cell.firstChild === null) cell.append(h("span", {}), h("span", { class: "label made-up", hidden: true }, "simulated"));
  setText(cell.firstChild, row.name);
  cell.lastChild.hidden = !row.simulated;
  cell.title = `plugin ${row.plugin}`;
}

function paintState(cell, row) {
  if (cell.firstChild === null) cell.append(h("span", {}));
  const next = row.next_try_seconds === null ? "" : `, again in ${format.span(Math.ceil(row.next_try_seconds))}`;
  setText(cell.firstChild, `${row.state === "connected" && !row.active ? "silent" : row.state}${next}`);
  setClass(cell.firstChild, `state ${row.active ? "good" : { starting: "idle", stopped: "idle" }[row.state] ?? "bad"}`);
}
