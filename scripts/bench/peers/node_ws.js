// ws on Node: send for each client, the message encoded once.

const { createServer } = require("node:http");
const { WebSocketServer } = require("ws");
const { port, symbols, publish } = require("./publisher.js");

const clients = new Set();
const subscribers = new Map(symbols.map((symbol) => [symbol, new Set()]));
const server = createServer();

new WebSocketServer({ server, path: "/ws", perMessageDeflate: false }).on("connection", (client) => {
  client.on("message", (message) => {
    for (const symbol of JSON.parse(message).symbols) subscribers.get(symbol).add(client);
    clients.add(client);
  });
  client.on("error", () => {});
  client.on("close", () => {
    clients.delete(client);
    for (const subscribed of subscribers.values()) subscribed.delete(client);
  });
});

function send(symbol, text) {
  const message = Buffer.from(text);
  for (const client of subscribers.get(symbol)) client.send(message, { binary: false });
}

function unsent() {
  for (const client of clients) if (client.bufferedAmount > 0) return true;
  return false;
}

server.listen({ port, host: "127.0.0.1", backlog: 4096 });
publish({ send, subscribed: () => clients.size, unsent });
