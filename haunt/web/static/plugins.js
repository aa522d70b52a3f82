// The page of the plugins: what is installed, what runs, and the indicators of the configuration.

import { h, setClass, setText } from "./element.js";
import { everySoOften } from "./frame.js";
import { look } from "./rest.js";
import { makeTable } from "./table.js";

const NOW_AND_THEN = 5000;

export function openPlugins() {
  const plugins = makeTable({
    name: "plugins",
    caption: "Installed plugins",
    key: (row) => row.name,
    sorted: { by: "state", down: true },
    empty: "No plugin is installed",
    columns: [
      { name: "plugin", label: "Plugin", words: "head", value: (row) => row.name },
      { name: "kind", label: "Kind", words: true, value: (row) => row.kinds.join(", ") || null, text: (row) => row.kinds.join(", ") || "–" },
      { name: "state", label: "State", words: true, value: (row) => row.state, paint: paintState },
      { name: "package", label: "Package", words: true, value: (row) => row.package, text: (row) => `${row.package ?? ""} ${row.version ?? ""}` },
      { name: "reason", label: "Trouble", words: true, value: (row) => row.reason || null, text: (row) => row.reason || "none" },
    ],
  });
  const indicators = makeTable({
    name: "indicators",
    caption: "Indicators of the configuration",
    key: (row) => row.name,
    sorted: { by: "indicator", down: false },
    empty: "The configuration names no indicator",
    columns: [
      { name: "indicator", label: "Indicator", words: "head", value: (row) => row.name },
      { name: "plugin", label: "Plugin", words: true, value: (row) => row.plugin },
      { name: "timeframe", label: "Timeframe", words: true, value: (row) => row.timeframe },
      { name: "options", label: "Options", words: true, fixed: true, value: optionsOf },
      { name: "stopped", label: "Stopped", words: true, value: (row) => row.stopped, text: (row) => row.stopped ?? "no" },
    ],
  });

  async function refresh() {
    const [installed, configured] = await Promise.all([look("api/plugins"), look("api/indicators")]);
    if (installed !== null) plugins.set(installed.plugins);
    if (configured !== null) indicators.set(configured.indicators);
  }

  const end = everySoOften(NOW_AND_THEN, refresh);
  return {
    title: "Plugins",
    element: h("section", { class: "page", "aria-labelledby": "title" },
      h("div", { class: "heading" }, h("h1", { id: "title" }, "Plugins")),
      h("h2", {}, "Indicators"), indicators.element, h("h2", {}, "Installed"), plugins.element),
    close: end,
  };
}

function optionsOf({ options }) {
  return Object.entries(options).filter(([name]) => name !== "timeframe").map(([name, value]) => `${name} ${value}`).join(", ");
}

function paintState(cell, row) {
  if (cell.firstChild === null) cell.append(h("span", {}));
  setText(cell.firstChild, row.state);
  setClass(cell.firstChild, `state ${{ loaded: "good", installed: "idle" }[row.state] ?? "bad"}`);
}
