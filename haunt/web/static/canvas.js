// A canvas that is as large and as sharp as its box.

import { h } from "./element.js";
import { inFrame } from "./frame.js";

const FONT = "11px ui-sans-serif, system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";

/** `draw(context, width, height)` in CSS pixels, whenever `redraw` was called or the box or the colours changed. */
export function makeCanvas(draw, attributes = {}) {
  const canvas = h("canvas", attributes);
  const context = canvas.getContext("2d");
  let width = 0;
  let height = 0;
  const redraw = inFrame(() => {
    if (width === 0 || height === 0) return;
    const ratio = devicePixelRatio;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = FONT;
    draw(context, width, height);
  });
  const observer = new ResizeObserver(([entry]) => {
    ({ width, height } = entry.contentRect);
    redraw();
  });
  observer.observe(canvas);
  document.addEventListener("theme", redraw);
  return {
    element: canvas,
    redraw,
    close() {
      observer.disconnect();
      document.removeEventListener("theme", redraw);
      width = 0;
    },
  };
}

/** Round values between two, about `most` of them. */
export function ticks(low, high, most) {
  const rough = (high - low) / Math.max(1, most);
  if (!(rough > 0)) return [];
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((part) => part * size).find((one) => one >= rough);
  const found = [];
  for (let at = Math.ceil(low / step); at * step <= high; at += 1) found.push(at * step);
  return found;
}

/** A line that is one device pixel thin. */
export function hairline(context, x1, y1, x2, y2) {
  context.beginPath();
  context.moveTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
  context.lineTo(Math.round(x2) + 0.5, Math.round(y2) + 0.5);
  context.stroke();
}
