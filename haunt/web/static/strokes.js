// What a chart is drawn of: grids, candles, bars, lines, marks. Each takes the context and a `frame`:
// {x(index), y(value), left, right, top, bottom, from, to, body}: where which candle and which value is.

import { hairline } from "./canvas.js";

export function grid(context, frame, values, label, colours) {
  context.textBaseline = "middle";
  context.textAlign = "left";
  for (const value of values) {
    const y = frame.y(value);
    if (y < frame.top + 6 || y > frame.bottom - 6) continue;
    context.strokeStyle = colours.faint;
    hairline(context, frame.left, y, frame.right, y);
    context.fillStyle = colours.muted;
    context.fillText(label(value), frame.right + 8, y);
  }
}

export function candles(context, frame, all, colours) {
  for (let index = frame.from; index < frame.to; index += 1) {
    const candle = all[index];
    const rose = candle.close >= candle.open;
    const x = frame.x(index);
    context.strokeStyle = context.fillStyle = candle.filled ? colours.muted : rose ? colours.up : colours.down;
    hairline(context, x, frame.y(candle.high), x, frame.y(candle.low));
    const top = Math.round(frame.y(Math.max(candle.open, candle.close)));
    const bottom = Math.round(frame.y(Math.min(candle.open, candle.close)));
    const left = Math.round(x - frame.body / 2);
    context.fillRect(left, top, Math.max(1, Math.round(frame.body)), Math.max(1, bottom - top));
  }
}

/** Bars from zero: of a volume (coloured by its candle) or of a histogram. */
export function bars(context, frame, valueAt, colourAt) {
  const zero = frame.y(0);
  for (let index = frame.from; index < frame.to; index += 1) {
    const value = valueAt(index);
    if (value === undefined) continue;
    const y = frame.y(value);
    context.fillStyle = colourAt(index, value);
    const left = Math.round(frame.x(index) - frame.body / 2);
    context.fillRect(left, Math.min(y, zero), Math.max(1, Math.round(frame.body)), Math.max(0.5, Math.abs(zero - y)));
  }
}

export function line(context, frame, valueAt, colour, dash = []) {
  context.strokeStyle = colour;
  context.lineWidth = 1.25;
  context.lineJoin = "round";
  context.setLineDash(dash);
  context.beginPath();
  let drawing = false;
  for (let index = frame.from; index < frame.to; index += 1) {
    const value = valueAt(index);
    if (value !== undefined && drawing) context.lineTo(frame.x(index), frame.y(value));
    else if (value !== undefined) context.moveTo(frame.x(index), frame.y(value));
    drawing = value !== undefined;
  }
  context.stroke();
  context.setLineDash([]);
  context.lineWidth = 1;
}

/** A triangle: below its candle to buy, above it to sell. */
export function mark(context, frame, index, candle, signal, colours) {
  const buy = signal === "buy";
  const way = buy ? 1 : -1;
  const x = frame.x(index);
  const y = frame.y(buy ? candle.low : candle.high) + 5 * way;
  context.fillStyle = buy ? colours.up : colours.down;
  context.strokeStyle = colours.panel;
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x + 4.5, y + 8 * way);
  context.lineTo(x - 4.5, y + 8 * way);
  context.closePath();
  context.stroke();
  context.fill();
}

/** A value on the axis at the right, in a box of its own colour. */
export function tag(context, frame, value, text, ink, paper) {
  const y = Math.min(frame.bottom - 8, Math.max(frame.top + 8, frame.y(value)));
  context.fillStyle = paper;
  context.fillRect(frame.right + 3, y - 8, context.measureText(text).width + 10, 16);
  context.fillStyle = ink;
  context.textBaseline = "middle";
  context.textAlign = "left";
  context.fillText(text, frame.right + 8, y);
}

export function dashed(context, x1, y1, x2, y2, colour) {
  context.strokeStyle = colour;
  context.setLineDash([3, 3]);
  hairline(context, x1, y1, x2, y2);
  context.setLineDash([]);
}
