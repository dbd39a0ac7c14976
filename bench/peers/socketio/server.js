// Socket.IO's plain in-memory room: what one member says goes to all of them, the speaker included.
const http = require("http").createServer();
const { Server } = require("socket.io");

const io = new Server(http, { perMessageDeflate: false });
io.on("connection", (socket) => {
  socket.join("room");
  socket.on("play", (data) => io.to("room").emit("play", data));
});
http.listen(0, "127.0.0.1", () => console.log(http.address().port));
process.stdin.on("end", () => process.exit()).resume();
