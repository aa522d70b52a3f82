// The depth chart: how much can be bought and sold up to which price.

import { hairline, makeCanvas } from "./canvas.js";
import * as format from "./format.js";
import { palette } from "./palette.js";

const BOTTOM = 18;

export function makeDepth(label) {
  let book = { bids: [], asks: [] };
  const canvas = makeCanvas(draw, { class: "depth", role: "img", "aria-label": label });

  function draw(context, width, height) {
    const bids = summed(book.bids);
    const asks = summed(book.asks);
    if (bids.length === 0 || asks.length === 0) return;
    const colours = palette();
    const middle = (bids[0].price + asks[0].price) / 2;
    // Both sides to the same distance: the lopsided half would tell nothing.
    const reach = Math.min(middle - bids.at(-1).price, asks.at(-1).price - middle);
    const most = Math.max(depthAt(bids, middle - reach), depthAt(asks, middle + reach));
    const bottom = height - BOTTOM;
    const x = (price) => width / 2 + ((price - middle) / reach) * (width / 2);
    const y = (total) => bottom - (total / most) * (bottom - 10);
    side(context, bids, x, y, bottom, colours.up, colours.upSoft);
    side(context, asks, x, y, bottom, colours.down, colours.downSoft);
    context.strokeStyle = colours.line;
    hairline(context, 0, bottom, width, bottom);
    context.strokeStyle = colours.muted;
    hairline(context, width / 2, 8, width / 2, bottom);
    context.fillStyle = colours.muted;
    context.textBaseline = "middle";
    const decimals = format.decimalsOf(middle);
    for (const [at, align] of [[middle - reach, "left"], [middle, "center"], [middle + reach, "right"]]) {
      context.textAlign = align;
      context.fillText(format.price(at, decimals), Math.min(width, Math.max(0, x(at))), bottom + BOTTOM / 2 + 1);
    }
  }

  return {
    element: canvas.element,
    set(next) {
      book = next;
      canvas.redraw();
    },
    close: canvas.close,
  };
}

function summed(levels) {
  let total = 0;
  return levels.map(({ price, quantity }) => ({ price, total: (total += quantity) }));
}

function depthAt(levels, price) {
  const rising = levels.length > 1 && levels[1].price > levels[0].price;
  let total = 0;
  for (const level of levels) if (rising ? level.price <= price : level.price >= price) total = level.total;
  return total;
}

/** Steps: between two levels nothing more is to be had. */
function side(context, levels, x, y, bottom, stroke, fill) {
  context.beginPath();
  context.moveTo(x(levels[0].price), bottom);
  let before = 0;
  for (const { price, total } of levels) {
    context.lineTo(x(price), y(before));
    context.lineTo(x(price), y(total));
    before = total;
  }
  const end = x(levels.at(-1).price);
  context.strokeStyle = stroke;
  context.lineWidth = 1.25;
  context.stroke();
  context.lineTo(end, bottom);
  context.closePath();
  context.fillStyle = fill;
  context.fill();
  context.lineWidth = 1;
}
