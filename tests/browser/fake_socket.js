// Stands in for the page's WebSocket: every symbol changes ten times a second for a while, then once more, to its number.
(() => {
  const TURN = 20;
  const TURNS = 150;

  class FakeSocket extends EventTarget {
    static OPEN = 1;

    constructor() {
      super();
      this.readyState = 1;
      setTimeout(() => this.onopen(), 0);
    }

    send(text) {
      const message = JSON.parse(text);
      if (message.type === "subscribe") this.begin(message);
      if (message.type === "ping") this.say({ type: "pong", timestamp: Date.now(), id: message.id });
    }

    begin({ id, symbols }) {
      this.say({ type: "subscribed", id, symbols, channels: ["price"], rejected: [] });
      let turn = 0;
      window.frameTimes = [];
      const timer = setInterval(() => {
        const last = ++turn > TURNS;
        symbols.forEach((symbol, number) => {
          if (last || number % 5 === turn % 5) this.price(symbol, last ? number + 1 : 1000 + Math.random());
        });
        if (!last) return;
        clearInterval(timer);
        window.measured = [...window.frameTimes];
      }, TURN);
    }

    price(symbol, price) {
      const now = Date.now();
      this.say({
        type: "price_update", symbol, price, change_24h: 1, volume_24h: 1e6, timestamp: now, seq: 1, sent: now,
        sources: ["alpha"], stale: false, dispersion: 0, confidence: "low", flags: [],
      });
    }

    say(message) {
      this.onmessage({ data: JSON.stringify(message) });
    }

    close() {}
  }

  window.WebSocket = FakeSocket;
  window.frameTimes = [];
  let before = 0;
  (function frame(time) {
    if (before) window.frameTimes.push(time - before);
    before = time;
    requestAnimationFrame(frame);
  })(0);
})();
