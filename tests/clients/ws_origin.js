// An origin made with the package `ws`. It echoes, and does what two texts ask of it.

const { WebSocketServer } = require("ws");

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  maxPayload: 0,
  perMessageDeflate: { threshold: 0 },
});

server.on("listening", () => {
  const { address, port } = server.address();
  console.log(`listening on ${address}:${port}`);
});

server.on("connection", (socket) => {
  socket.on("message", (data, isBinary) => {
    const text = isBinary ? null : data.toString();
    if (text === "ping me") {
      socket.once("pong", () => socket.send("pong came"));
      socket.ping("are you there?");
    } else if (text === "close me") {
      socket.close(4002, "the origin has had enough");
    } else {
      socket.send(data, { binary: isBinary });
    }
  });
  socket.on("error", () => {});
  socket.on("close", (code, reason) => console.log(`closed ${code} ${reason}`));
});
