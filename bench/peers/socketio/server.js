// Socket.IO's plain in-memory room: what one member says goes to all of them, the speaker included.
// `play` hands on what it gets; `say` makes a line of a chat of it, and acknowledges the line by its number.
const http = require("http").createServer();
const { Server } = require("socket.io");

const io = new Server(http, { perMessageDeflate: false });
let lines = 0;
io.on("connection", (socket) => {
  socket.join("room");
  socket.on("say", ({ text }, done) => {
    const line = ++lines;
    io.to("room").emit("said", { line, uid: socket.id, text, at: new Date().toISOString() });
    done(line);
  });
  socket.on("play", (data) => io.to("room").emit("play", data));
});
http.listen(0, "127.0.0.1", () => console.log(http.address().port));
process.stdin.on("end", () => process.exit()).resume();
