// The Node server: express and Socket.IO, with express-session shared by express-socket.io-session (`session`), or
// with no session at all (`plain`). The same routes and events as the other servers. Prints its port.
import { createServer } from "node:http";
import express from "express";
import session from "express-session";
import shared from "express-socket.io-session";
import { Server } from "socket.io";

const withSession = process.argv[2] === "session";

// As `State::of` in `src/state.rs`.
function stateOf(size) {
  const [kind, bytes] = size.split("-");
  const state = {
    count: 0,
    name: "Ada Lovelace",
    email: "ada@example.com",
    language: "en",
    dark: false,
    seen: null,
    scale: 1.5,
    tags: [],
    cart: {},
    note: "",
  };
  if (kind === "text") {
    state.note = "One line of a note that somebody wrote.\n".repeat((bytes - 176) / 40);
  }
  if (kind === "parts") {
    const parts = Math.floor((bytes - 64) / 28);
    const tags = Math.floor((parts * 4) / 9);
    const digits = (number, length) => String(number).padStart(length, "0");
    state.tags = Array.from({ length: tags }, (_, number) => `a tag of some length, ${digits(number, 2)}`);
    for (let number = 0; number < parts - tags; number += 1) {
      state.cart[`an-article-${digits(number, 10)}`] = number;
    }
  }
  return state;
}

// Without a session everything is answered by 1.
const read = (session) => (withSession ? session.state.count : 1);
const write = (session) => (withSession ? (session.state.count += 1) : 1);

const app = express();
app.disable("x-powered-by");
app.disable("etag");
const sessions = session({ secret: "bench", resave: false, saveUninitialized: false });
if (withSession) {
  app.use(sessions);
}
app.post("/begin/:size", (request, response) => {
  if (withSession) {
    request.session.state = stateOf(request.params.size);
  }
  response.send("0");
});
app.get("/idle", (request, response) => response.send("1"));
app.get("/read", (request, response) => response.send(String(read(request.session))));
app.post("/write", (request, response) => response.send(String(write(request.session))));

const server = createServer(app);
// Clients keep their connections while others have their turns.
server.keepAliveTimeout = 0;
server.requestTimeout = 0;
const io = new Server(server, { pingInterval: 3_600_000, pingTimeout: 3_600_000 });
if (withSession) {
  io.use(shared(sessions, { autoSave: true }));
}
io.on("connection", (socket) => {
  socket.on("read", (answer) => answer(read(socket.handshake.session)));
  socket.on("write", (answer) => answer(write(socket.handshake.session)));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));

// It ends with the process that started it.
process.stdin.resume().on("end", () => process.exit(0));
