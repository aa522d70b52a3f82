// The course of a price in the size of a word.

import { h } from "./element.js";
import { palette } from "./palette.js";

const WIDTH = 104;
const HEIGHT = 26;
const MARGIN = 3;

export function makeSparkline() {
  return h("canvas", { class: "sparkline", "aria-hidden": "true" });
}

/** Draws the points {time, price}, the last of them as a dot. */
export function drawSparkline(canvas, points) {
  const ratio = devicePixelRatio;
  if (canvas.width !== WIDTH * ratio) {
    canvas.width = WIDTH * ratio;
    canvas.height = HEIGHT * ratio;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, WIDTH, HEIGHT);
  if (points.length < 2) return;
  const { low, high } = extent(points);
  const first = points[0];
  const last = points.at(-1);
  const x = (time) => MARGIN + ((time - first.time) / (last.time - first.time)) * (WIDTH - 2 * MARGIN);
  const y = (price) => HEIGHT - MARGIN - (high === low ? 0.5 : (price - low) / (high - low)) * (HEIGHT - 2 * MARGIN);
  const colours = palette();
  context.strokeStyle = context.fillStyle = last.price >= first.price ? colours.up : colours.down;
  context.lineWidth = 1.25;
  context.lineJoin = "round";
  context.beginPath();
  for (const { time, price } of points) context.lineTo(x(time), y(price));
  context.stroke();
  context.beginPath();
  context.arc(x(last.time), y(last.price), 2, 0, 2 * Math.PI);
  context.fill();
}

function extent(points) {
  let low = Infinity;
  let high = -Infinity;
  for (const { price } of points) {
    if (price < low) low = price;
    if (price > high) high = price;
  }
  return { low, high };
}
