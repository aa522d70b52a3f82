// The candle chart: prices with their volume and signals, and below them a pane for each indicator.

import { hairline, makeCanvas, ticks } from "./canvas.js";
import { h } from "./element.js";
import * as format from "./format.js";
import { palette } from "./palette.js";
import * as strokes from "./strokes.js";

const AXIS = 78;
const TIME_AXIS = 22;
const PANE = 92;
const FEWEST = 20;
const VOLUME_SHARE = 0.18;
const WIDEST_BODY = 13;

/**
 * `set` shows {candles, timeframe, decimals, studies}, where a study is {name, readings: Map of start → {values, signal},
 * overlays, outputs, levels}: its outputs over the price, those of its own pane, and the values that have a line there.
 * `point` is told which candle the reader points at, or undefined.
 */
export function makeChart({ point, label }) {
  let data = { candles: [], studies: [], timeframe: "1m", decimals: 2 };
  let count = null; // candles seen; null: as many as suit the width
  let back = 0; // candles beyond the right edge
  let cursor = null; // {index, y}
  let drag = null;
  let plot = { left: 0, right: 0, shown: 1, first: 0 };
  const canvas = makeCanvas(draw, { class: "chart", tabindex: "0", role: "img", "aria-label": label });
  const element = canvas.element;

  // -- where everything is

  function layOut(width, height) {
    const all = data.candles;
    const right = width - AXIS;
    const shown = Math.max(FEWEST, count ?? Math.round(right / 9));
    back = Math.max(0, Math.min(back, all.length - Math.min(shown, all.length)));
    const to = all.length - back;
    const from = Math.max(0, to - shown);
    const slot = right / shown;
    const first = to - shown; // the newest candle is at the right edge, however few there are
    plot = { left: 0, right, shown, first, slot };
    const x = (index) => (index - first + 0.5) * slot;
    const common = { x, left: 0, right, from, to, body: Math.min(WIDEST_BODY, Math.max(1, slot * 0.68)) };
    const panes = data.studies.filter((study) => study.outputs.length > 0);
    const bottom = height - TIME_AXIS;
    const priceBottom = bottom - panes.length * PANE;
    return { common, panes, priceBottom, bottom, width };
  }

  function frame(common, top, bottom, low, high) {
    const room = high > low ? high - low : Math.abs(high) * 0.001 || 1;
    const base = high > low ? low : low - room / 2;
    return { ...common, top, bottom, low, high, y: (value) => bottom - ((value - base) / room) * (bottom - top) };
  }

  function draw(context, width, height) {
    const colours = palette();
    const { common, panes, priceBottom, bottom } = layOut(width, height);
    if (data.candles.length === 0) return;
    drawTimes(context, common, bottom, colours);
    const main = drawPrices(context, common, priceBottom, colours);
    const frames = panes.map((study, at) => drawStudy(context, common, study, priceBottom + at * PANE, colours));
    drawCursor(context, common, [main, ...frames], bottom, colours);
  }

  function drawPrices(context, common, bottom, colours) {
    const all = data.candles;
    let low = Infinity;
    let high = -Infinity;
    let most = 0;
    for (let index = common.from; index < common.to; index += 1) {
      low = Math.min(low, all[index].low);
      high = Math.max(high, all[index].high);
      most = Math.max(most, all[index].volume);
    }
    const margin = (high - low || high * 0.001) * 0.08;
    const prices = frame(common, 14, bottom - 14 - (bottom * VOLUME_SHARE) / 2, low - margin, high + margin);
    prices.bottom = bottom;
    const last = all.at(-1);
    const clear = ticks(low - margin, high + margin, 6).filter((value) => Math.abs(prices.y(value) - prices.y(last.close)) > 15);
    strokes.grid(context, prices, clear, (value) => format.price(value, data.decimals), colours);
    if (most > 0) {
      const volumes = frame(common, bottom * (1 - VOLUME_SHARE), bottom, 0, most);
      strokes.bars(context, volumes, (index) => all[index].volume, (index) => all[index].close >= all[index].open ? colours.upSoft : colours.downSoft);
    }
    for (const study of data.studies) {
      study.overlays.forEach((output, at) => strokes.line(context, prices, reader(study, output), colours.accent, at === 0 ? [] : [4, 3]));
    }
    strokes.candles(context, prices, all, colours);
    for (const study of data.studies) drawMarks(context, prices, study, colours);
    const colour = last.close >= last.open ? colours.up : colours.down;
    strokes.dashed(context, 0, prices.y(last.close), common.right, prices.y(last.close), colour);
    strokes.tag(context, prices, last.close, format.price(last.close, data.decimals), colours.panel, colour);
    return { ...prices, label: (value) => format.price(value, data.decimals) };
  }

  /** A signal is marked where it began. */
  function drawMarks(context, prices, study, colours) {
    let before = null;
    for (let index = Math.max(0, prices.from - 1); index < prices.to; index += 1) {
      const candle = data.candles[index];
      const signal = study.readings.get(candle.start)?.signal ?? null;
      if (signal !== null && signal !== before && signal !== "neutral" && index >= prices.from && before !== null) {
        strokes.mark(context, prices, index, candle, signal, colours);
      }
      before = signal;
    }
  }

  function reader(study, output) {
    return (index) => study.readings.get(data.candles[index].start)?.values[output];
  }

  function drawStudy(context, common, study, top, colours) {
    context.strokeStyle = colours.line;
    hairline(context, 0, top, common.right + AXIS, top);
    const values = study.outputs.flatMap((output) => range(reader(study, output), common));
    const bounded = study.levels.length > 0;
    const low = Math.min(...values, ...study.levels, bounded ? Infinity : 0);
    const high = Math.max(...values, ...study.levels, bounded ? -Infinity : 0);
    const margin = (high - low) * 0.12;
    const box = frame(common, top + 16, top + PANE - 4, low - margin, high + margin);
    const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.max(Math.abs(high), Math.abs(low), 1e-12))));
    const label = (value) => format.price(value, Math.min(12, decimals));
    strokes.grid(context, { ...box, top, bottom: top + PANE }, bounded ? study.levels : [0], label, colours);
    const lines = study.outputs.filter((output) => output !== "histogram");
    study.outputs.forEach((output) => {
      if (output === "histogram") {
        strokes.bars(context, box, reader(study, output), (_, value) => (value >= 0 ? colours.upBar : colours.downBar));
      } else strokes.line(context, box, reader(study, output), output === lines[0] ? colours.accent : colours.muted);
    });
    context.fillStyle = colours.muted;
    context.textAlign = "left";
    context.textBaseline = "top";
    context.fillText(legend(study, label), 8, top + 6);
    return { ...box, top, bottom: top + PANE, label };
  }

  function legend(study, label) {
    const candle = data.candles[cursor?.index ?? data.candles.length - 1];
    const reading = study.readings.get(candle?.start) ?? [...study.readings.values()].at(-1);
    const said = study.outputs.filter((output) => reading?.values[output] !== undefined);
    return `${study.name}   ${said.map((output) => `${said.length > 1 ? `${output} ` : ""}${label(reading.values[output])}`).join("   ")}`;
  }

  function drawTimes(context, common, bottom, colours) {
    const length = format.timeframeLength(data.timeframe);
    const each = Math.max(1, Math.ceil(86 / plot.slot));
    context.strokeStyle = colours.line;
    hairline(context, 0, bottom, common.right + AXIS, bottom);
    hairline(context, common.right, 0, common.right, bottom);
    context.fillStyle = colours.muted;
    context.textBaseline = "middle";
    context.textAlign = "center";
    for (let index = common.from; index < common.to; index += 1) {
      const candle = data.candles[index];
      if (Math.round(candle.start / length) % each !== 0) continue;
      const x = common.x(index);
      if (x < 24 || x > common.right - 20) continue;
      context.strokeStyle = colours.faint;
      hairline(context, x, 0, x, bottom);
      const text = length >= 14_400_000 ? format.day(candle.start) : format.clock(candle.start, length < 60_000);
      context.fillText(text, x, bottom + TIME_AXIS / 2 + 1);
    }
  }

  function drawCursor(context, common, frames, bottom, colours) {
    if (cursor === null || cursor.index < common.from || cursor.index >= common.to) return;
    const x = common.x(cursor.index);
    strokes.dashed(context, x, 0, x, bottom, colours.muted);
    if (cursor.y === null) return;
    const under = frames.find((one) => cursor.y >= one.top - 14 && cursor.y <= one.bottom);
    if (under === undefined) return;
    strokes.dashed(context, 0, cursor.y, common.right, cursor.y, colours.muted);
    const share = (under.y(0) - cursor.y) / (under.y(0) - under.y(1));
    strokes.tag(context, { ...under, y: () => cursor.y }, 0, under.label(share), colours.panel, colours.ink);
  }

  function range(valueAt, { from, to }) {
    const found = [];
    for (let index = from; index < to; index += 1) if (valueAt(index) !== undefined) found.push(valueAt(index));
    return found;
  }

  // -- what the reader does

  function pointAt(index, y) {
    const all = data.candles;
    cursor = index === null || all.length === 0 ? null : { index: Math.max(0, Math.min(all.length - 1, index)), y };
    point(cursor === null ? undefined : all[cursor.index]);
    canvas.redraw();
  }

  function zoom(part) {
    const now = count ?? plot.shown;
    count = Math.round(Math.min(Math.max(FEWEST, now * part), Math.max(FEWEST, data.candles.length)));
    canvas.redraw();
  }

  element.addEventListener("pointermove", (event) => {
    if (drag !== null) {
      back = Math.round(drag.back + (event.offsetX - drag.x) / plot.slot);
      canvas.redraw();
    }
    if (event.offsetX <= plot.right) pointAt(Math.floor(event.offsetX / plot.slot) + plot.first, event.offsetY);
  });
  element.addEventListener("pointerleave", () => pointAt(null));
  element.addEventListener("pointerdown", (event) => {
    drag = { x: event.offsetX, back };
    element.setPointerCapture(event.pointerId);
  });
  for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, () => (drag = null));
  element.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15);
  }, { passive: false });
  element.addEventListener("keydown", (event) => {
    const at = cursor?.index ?? data.candles.length;
    const act = {
      ArrowLeft: () => pointAt(at - 1, null), ArrowRight: () => pointAt(at + 1, null),
      "+": () => zoom(1 / 1.3), "-": () => zoom(1.3), Home: () => pointAt(0, null), End: () => pointAt(Infinity, null),
    }[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  });

  return {
    element: h("div", { class: "chart-box" }, element),
    set(next) {
      if (next.timeframe !== undefined && next.timeframe !== data.timeframe) {
        back = 0;
        count = cursor = null;
      }
      const grown = (next.candles?.length ?? 0) - data.candles.length;
      if (back > 0 && grown > 0 && data.candles.length > 0) back += grown; // what is looked at stays where it is
      data = { ...data, ...next };
      const panes = data.studies.filter((study) => study.outputs.length > 0).length;
      element.style.height = `calc(var(--chart-height) + ${panes * PANE}px)`;
      canvas.redraw();
    },
    close: canvas.close,
  };
}
