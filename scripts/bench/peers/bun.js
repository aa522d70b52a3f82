// Bun: uWebSockets' own publish().

const { port, publish } = require("./publisher.js");

const clients = new Set();
const server = Bun.serve({
  port,
  hostname: "127.0.0.1",
  fetch(request, server) {
    return server.upgrade(request) ? undefined : new Response("This is a WebSocket", { status: 400 });
  },
  websocket: {
    perMessageDeflate: false,
    idleTimeout: 0,
    sendPings: false,
    backpressureLimit: 64 * 1024 * 1024,
    message(client, message) {
      for (const symbol of JSON.parse(message).symbols) client.subscribe(symbol);
      clients.add(client);
    },
    close(client) {
      clients.delete(client);
    },
  },
});

function unsent() {
  for (const client of clients) if (client.getBufferedAmount() > 0) return true;
  return false;
}

publish({ send: (symbol, text) => server.publish(symbol, text), subscribed: () => clients.size, unsent });
