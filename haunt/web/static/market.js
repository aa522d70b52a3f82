// The newest that is known of every symbol.

const SPARKLINE_POINTS = 120;
const LONGEST_STEP = 32_000; // 120 points of it are an hour and some minutes

/** `watch` tells of changes: (kind, symbol, message) with the kinds price, book and signal. */
export function openMarket() {
  const states = new Map();
  const watchers = new Set();
  let skew = -Infinity;

  function stateOf(symbol) {
    let state = states.get(symbol);
    if (state === undefined) {
      state = { symbol, tick: null, price: null, change: null, volume: null, timestamp: null, venues: 0, stale: false,
                confidence: null, dispersion: null, flags: [], before: null, trend: makeTrend() };
      states.set(symbol, state);
    }
    return state;
  }

  function hearPrice(message) {
    const state = stateOf(message.symbol);
    if (state.timestamp !== null && message.timestamp < state.timestamp) return;
    state.before = state.price;
    state.price = message.price;
    state.change = message.change_24h;
    state.volume = message.volume_24h;
    state.timestamp = message.timestamp;
    state.venues = message.sources.length;
    state.sources = message.sources;
    state.stale = message.stale;
    state.confidence = message.confidence;
    state.dispersion = message.dispersion;
    state.flags = message.flags;
    state.trend.add(message.timestamp, message.price);
    for (const watcher of watchers) watcher("price", message.symbol, message);
  }

  return {
    states,
    /** The symbols the server has now; others are forgotten. */
    take(symbols) {
      const names = new Set(symbols.map((one) => one.symbol));
      for (const name of states.keys()) if (!names.has(name)) states.delete(name);
      for (const one of symbols) stateOf(one.symbol).tick = one.tick;
      for (const watcher of watchers) watcher("symbols", null, symbols);
    },
    hear(message) {
      // The fastest message tells best how far the two clocks are apart.
      if (message.sent) skew = Math.max(skew, message.sent - Date.now());
      if (message.type === "price_update") return hearPrice(message);
      const kind = { orderbook_update: "book", signal_update: "signal" }[message.type];
      if (kind) for (const watcher of watchers) watcher(kind, message.symbol, message);
    },
    /** What the server says of all prices when it is asked; a price that fell silent is not told of by itself. */
    check(prices) {
      for (const one of prices) {
        const state = states.get(one.symbol);
        if (state === undefined || state.stale === one.stale) continue;
        state.stale = one.stale;
        for (const watcher of watchers) watcher("price", one.symbol, one);
      }
    },
    /** By the server's clock. */
    now: () => Date.now() + (Number.isFinite(skew) ? skew : 0),
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}

/** The course of a price over all the time that is known, up to an hour, in at most 120 points. */
export function makeTrend() {
  let points = [];
  let step = 1000;
  let seeded = false;

  function add(time, price) {
    const last = points.at(-1);
    if (last !== undefined && Math.floor(time / step) <= Math.floor(last.time / step)) {
      last.price = price;
      return;
    }
    points.push({ time, price });
    if (points.length <= SPARKLINE_POINTS) return;
    if (step >= LONGEST_STEP) points.shift();
    else {
      step *= 2;
      points = points.filter((_, index) => index % 2 === 0);
    }
  }

  return {
    add,
    get points() {
      return points;
    },
    get seeded() {
      return seeded;
    },
    /** Candles of before the first point, oldest first. */
    seed(candles) {
      const known = points;
      const first = known[0]?.time ?? Infinity;
      seeded = true;
      points = [];
      for (const candle of candles) if (candle.closed && candle.start < first) add(candle.start, candle.close);
      for (const point of known) add(point.time, point.price);
    },
  };
}
