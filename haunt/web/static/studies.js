// What an indicator said of a symbol's candles, made ready to be drawn.

import { look, symbolPath } from "./rest.js";

const USUAL = ["rsi", "macd"]; // of plugins; shown at first where the configuration has them

/** {name, plugin, readings, overlays, outputs, levels} of an indicator, without any reading yet. */
export function makeStudy(indicator) {
  const { sell_above: above, buy_below: below } = indicator.options;
  const levels = [below, above].filter((level) => typeof level === "number");
  return { name: indicator.name, plugin: indicator.plugin, readings: new Map(), overlays: [], outputs: [], levels };
}

/** Those of these indicators that are shown at first. */
export function usual(indicators) {
  const known = indicators.filter((one) => USUAL.includes(one.plugin));
  return new Set((known.length > 0 ? known : indicators.slice(0, 2)).map((one) => one.name));
}

/** Fetches the newest readings; `limit` of them. What could not be had is asked for again the next time. */
export async function refresh(study, symbol, limit) {
  const found = await look(symbolPath("indicators", `${symbol}/${study.name}`, { limit }).replace("%2F", "/"));
  if (found === null) return;
  for (const { start, values, signal } of found.values) study.readings.set(start, { values, signal });
}

/** Outputs that are of the size of the price are drawn over it, the others in a pane. */
export function place(study, price) {
  const last = [...study.readings.values()].at(-1);
  const names = Object.keys(last?.values ?? {});
  const near = (name) => last.values[name] > price / 2 && last.values[name] < price * 2;
  study.overlays = study.levels.length > 0 ? [] : names.filter(near);
  // Bars lie behind lines.
  study.outputs = names.filter((name) => !study.overlays.includes(name)).sort((one) => (one === "histogram" ? -1 : 0));
}
