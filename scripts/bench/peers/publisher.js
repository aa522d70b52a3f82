// What the JavaScript peers share: which updates are published when.

const { PORT, N, K, RATE, B } = process.env;
const port = Number(PORT), clients = Number(N), rate = Number(RATE), batch = Number(B);
const symbols = Array.from({ length: Number(K) }, (_, index) => "s" + String(index).padStart(2, "0"));

const SETTLE = 200; // milliseconds between the last client's subscription and the first update
const FIRST_PRICE = 20000; // rises by a cent with each update, so that order can be checked
const TIMER_ERROR = 20; // milliseconds: Bun's timers ring up to 15 late while it is sending
const LOOK_EVERY = 16; // turns between two looks at what is unsent

function update(number, timestamp) {
  const symbol = symbols[number % symbols.length];
  const price = Math.round((FIRST_PRICE + number * 0.01) * 100) / 100;
  const message = { type: "price_update", symbol, price, change_24h: 2.3456, volume_24h: 28500000000, timestamp };
  return [symbol, JSON.stringify(message)];
}

// Calls send(symbol, text) for each update once `subscribed()` clients are all there. At full speed nothing is
// published while bytes are `unsent()`.
function publish({ send, subscribed, unsent }) {
  let turn = 0;
  let began;

  function publishTurn(timestamp) {
    for (let number = turn * batch; number < (turn + 1) * batch; number++) send(...update(number, timestamp));
    turn++;
  }

  function atFullSpeed() {
    publishTurn(Date.now());
    if (turn % LOOK_EVERY === 0 && unsent()) drain();
    else setImmediate(atFullSpeed);
  }

  function drain() {
    if (unsent()) setTimeout(drain, 1);
    else setImmediate(atFullSpeed);
  }

  // Each update is stamped with the moment it was due, so that a late one shows as latency.
  function atRate() {
    const due = () => began + (turn * batch * 1000) / rate;
    while (due() <= wall()) publishTurn(Math.round(due()));
    if (due() - wall() > TIMER_ERROR) setTimeout(atRate, due() - wall() - TIMER_ERROR);
    else setImmediate(atRate);
  }

  function start() {
    // On a whole millisecond, so that stamps in milliseconds tell the very moment.
    began = Math.ceil(wall());
    if (rate > 0) atRate();
    else if (rate === 0) atFullSpeed();
  }

  function wait() {
    if (subscribed() < clients) setTimeout(wait, 50);
    else setTimeout(start, SETTLE);
  }
  wait();
}

const wall = () => performance.timeOrigin + performance.now();

module.exports = { port, symbols, publish };
