// The link to the server: as many WebSockets as its symbols need. They live and die together, and come back by themselves.

import { token } from "./token.js";

const LONGEST_WAIT = 60;
const LASTED = 10_000; // the link was good if it held so long: the next wait begins small again
const PING_EVERY = 5_000;
const SILENCE = 15_000; // no pong for so long: the line is dead, though nothing said so
const MOST_SYMBOLS = 1_000; // of one message
const MOST_SOCKETS = 20;

/**
 * `prepare` gives the symbols, or raises why there are none; `hear` gets each message; `tell` each state of the link:
 * {state: "connecting" | "connected" | "waiting", until?, reason?, rtt?}. Returns what the pages may ask of it.
 */
export function openLink({ prepare, hear, tell }) {
  let sockets = [];
  let failures = 0;
  let since = 0;
  let timer = 0;
  let turn = 0;
  const books = new Map();

  async function connect() {
    clearTimeout(timer);
    const mine = ++turn;
    tell({ state: "connecting" });
    let symbols;
    try {
      symbols = await prepare();
    } catch (error) {
      lose(mine, error.message);
      return;
    }
    if (mine === turn) join(mine, symbols);
  }

  /** Opens a socket for as many of the symbols as the server lets one have, and another for the rest. */
  function join(mine, symbols) {
    const socket = new WebSocket(address());
    const unknown = new Set();
    const one = { socket, symbols: new Set(), heard: performance.now() };
    sockets.push(one);
    socket.onopen = () => say(one, { type: "subscribe", symbols: symbols.slice(0, MOST_SYMBOLS), id: "all" });
    socket.onclose = (event) => lose(mine, event.reason);
    socket.onmessage = (event) => {
      if (mine !== turn) return;
      one.heard = performance.now();
      const message = JSON.parse(event.data);
      if (message.type === "pong") return tell({ state: "connected", rtt: performance.now() - message.id });
      if (message.type === "error" && message.code === "invalid_symbol") unknown.add(message.symbol);
      if (message.type === "subscribed" && message.id === "all") subscribed(message.symbols);
      hear(message);
    };

    function subscribed(taken) {
      for (const symbol of taken) one.symbols.add(symbol);
      const rest = symbols.filter((symbol) => !one.symbols.has(symbol) && !unknown.has(symbol));
      for (const [symbol, depth] of books) if (one.symbols.has(symbol)) sayBook(one, symbol, depth);
      if (rest.length > 0 && taken.length > 0 && sockets.length < MOST_SOCKETS) return join(mine, rest);
      since = performance.now();
      tell({ state: "connected" });
      ping();
    }
  }

  function lose(mine, reason) {
    if (mine !== turn) return;
    turn += 1;
    for (const { socket } of sockets) socket.close();
    sockets = [];
    failures = since !== 0 && performance.now() - since > LASTED ? 1 : failures + 1;
    since = 0;
    const most = Math.min(LONGEST_WAIT, 2 ** (failures - 1));
    const wait = 1000 * most * (0.5 + Math.random() / 2);
    timer = setTimeout(connect, wait);
    tell({ state: "waiting", until: performance.now() + wait, reason });
  }

  function ping() {
    const now = performance.now();
    if (sockets.some((one) => now - one.heard > SILENCE)) return lose(turn, "the server fell silent");
    for (const one of sockets) say(one, { type: "ping", id: Math.round(now) });
  }

  setInterval(() => since !== 0 && ping(), PING_EVERY);
  addEventListener("online", () => since === 0 && connect());
  connect();

  return {
    /** Order books of this symbol come from now on. */
    wantBook(symbol, depth) {
      books.set(symbol, depth);
      for (const one of sockets) if (one.symbols.has(symbol)) sayBook(one, symbol, depth);
    },
    dropBook(symbol) {
      books.delete(symbol);
      const wish = { type: "unsubscribe", symbols: [symbol], channels: ["orderbook"] };
      for (const one of sockets) if (one.symbols.has(symbol)) say(one, wish);
    },
  };
}

function sayBook(one, symbol, depth) {
  say(one, { type: "subscribe", symbols: [symbol], channels: ["orderbook"], depth });
}

function say({ socket }, message) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function address() {
  const url = new URL("ws", document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  url.searchParams.set("ext", "1");
  if (token() !== null) url.searchParams.set("token", token());
  return url;
}
