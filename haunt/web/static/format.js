// Numbers and times as people read them.

const NONE = "–";
const MINUS = "\u2212";
const TYPICAL_DIGITS = 6;
const formats = new Map();

function fixed(number, decimals) {
  let format = formats.get(decimals);
  if (format === undefined) {
    format = new Intl.NumberFormat("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
    formats.set(decimals, format);
  }
  return format.format(number).replace("-", MINUS);
}

/** Decimals that show a price to six digits or so; those of its step where it has one. */
export function decimalsOf(price, tick = null) {
  if (tick !== null && tick > 0) return Math.min(12, Math.max(0, Math.ceil(-Math.log10(tick) - 1e-9)));
  if (price === 0) return 2;
  const whole = Math.floor(Math.log10(Math.abs(price))) + 1;
  return Math.min(12, Math.max(2, TYPICAL_DIGITS - Math.max(whole, whole <= 0 ? whole : 1)));
}

export function price(number, decimals = decimalsOf(number ?? 0)) {
  return number === null || number === undefined ? NONE : fixed(number, decimals);
}

/** Percent points with their sign. */
export function change(points, decimals = 2) {
  if (points === null || points === undefined) return NONE;
  const text = fixed(Math.abs(points), decimals);
  return `${points > 0 ? "+" : points < 0 ? MINUS : ""}${text} %`;
}

/** 28_500_000_000 → 28.5 B */
export function compact(number) {
  if (number === null || number === undefined) return NONE;
  const size = Math.abs(number);
  for (const [unit, name] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]]) {
    if (size >= unit) return `${fixed(number / unit, size >= 100 * unit ? 0 : 1)} ${name}`;
  }
  return fixed(number, size >= 100 || size === 0 ? 0 : 2);
}

export function dollars(number) {
  return number === null || number === undefined ? NONE : `$${compact(number)}`;
}

export function count(number) {
  return number === null || number === undefined ? NONE : fixed(number, 0);
}

export function rate(number) {
  return number === null || number === undefined ? NONE : fixed(number, number < 10 ? 1 : 0);
}

export function quantity(number) {
  const size = Math.abs(number);
  if (size >= 100_000) return compact(number);
  return fixed(number, size >= 1000 ? 0 : size >= 10 ? 2 : 4);
}

/** Seconds, as far as they matter. */
export function span(seconds, decimals = 0) {
  if (seconds === null || seconds === undefined) return NONE;
  if (seconds < 100) return `${fixed(seconds, seconds < 10 ? decimals : 0)} s`;
  if (seconds < 6000) return `${fixed(Math.floor(seconds / 60), 0)} min`;
  if (seconds < 360_000) return `${fixed(Math.floor(seconds / 3600), 0)} h`;
  return `${fixed(Math.floor(seconds / 86_400), 0)} d`;
}

export function clock(milliseconds, withSeconds = true) {
  const options = { hour: "2-digit", minute: "2-digit", second: withSeconds ? "2-digit" : undefined, hourCycle: "h23" };
  return new Date(milliseconds).toLocaleTimeString("en-GB", options);
}

export function day(milliseconds) {
  return new Date(milliseconds).toLocaleDateString("en-GB", { day: "numeric", month: "short" });
}

/** "5m" → 300_000 */
export function timeframeLength(timeframe) {
  const unit = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }[timeframe.at(-1)];
  return Number.parseInt(timeframe, 10) * unit;
}
