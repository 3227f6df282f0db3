// The official Socket.IO client, one command at a time (see `src/node.rs`).

import { io } from "socket.io-client";
import { NodeWebSocket, NodeXHR } from "engine.io-client";
import { serve, within } from "./lines.mjs";

const sockets = new Map();
// Cookies as a browser keeps them, by the name of the browser: cookie name -> value.
const jars = new Map();

// A client's cookies, and the headers object that its transports read at every request.
class Browser {
  constructor(name) {
    if (!jars.has(name)) jars.set(name, { cookies: new Map(), headers: [], received: [] });
    this.jar = jars.get(name);
  }

  // The headers of one connection, kept up to date with the jar.
  headersOf(extra) {
    const headers = { ...extra };
    this.jar.headers.push(headers);
    this.refresh();
    return headers;
  }

  set(pair) {
    const at = pair.indexOf("=");
    this.jar.cookies.set(pair.slice(0, at), pair.slice(at + 1));
    this.refresh();
  }

  receive(lines) {
    for (const line of [lines ?? []].flat()) {
      this.jar.received.push(line);
      const [pair, ...attributes] = line.split(/;\s*/);
      this.set(pair);
      if (attributes.some((attribute) => /^max-age=(0|-\d+)$/i.test(attribute))) {
        this.jar.cookies.delete(pair.slice(0, pair.indexOf("=")));
        this.refresh();
      }
    }
  }

  refresh() {
    const line = [...this.jar.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    for (const headers of this.jar.headers) {
      if (line) headers.cookie = line;
      else delete headers.cookie;
    }
  }

  // The client's own transports, which hand the cookies they are sent to this browser.
  transport(name) {
    const browser = this;
    if (name === "websocket") {
      return class extends NodeWebSocket {
        createSocket(uri, protocols, options) {
          const socket = super.createSocket(uri, protocols, options);
          socket.on("upgrade", (response) => browser.receive(response.headers["set-cookie"]));
          return socket;
        }
      };
    }
    return class extends NodeXHR {
      request(options) {
        const request = super.request(options);
        const read = () => {
          // A request that failed before its answer came has no headers to ask for.
          if (request._xhr?.status) browser.receive(request._xhr.getResponseHeader("set-cookie"));
        };
        request.on("data", read);
        request.on("error", read);
        return request;
      }
    };
  }
}

// Everything that a socket has heard, until someone asks for it.
class Heard {
  constructor() {
    this.kept = new Map();
    this.waiting = new Map();
  }

  push(name, value) {
    const waiter = this.waiting.get(name)?.shift();
    if (waiter) waiter(value);
    else this.kept.set(name, [...(this.kept.get(name) ?? []), value]);
  }

  next(name) {
    const kept = this.kept.get(name);
    if (kept?.length) return Promise.resolve(kept.shift());
    return new Promise((resolve) => {
      this.waiting.set(name, [...(this.waiting.get(name) ?? []), resolve]);
    });
  }
}

function listen(socket, heard) {
  socket.onAny((name, ...values) => heard.push(name, values));
  socket.on("connect", () => heard.push("connect", []));
  socket.on("disconnect", (reason) => heard.push("disconnect", [reason]));
  socket.on("connect_error", (error) =>
    heard.push("connect_error", [error.message, error.data ?? null, error.description ?? null]),
  );
}


serve({
  // Connects and waits for the outcome: `{connected: true}` or `{connected: false, message, data}`.
  async connect({ socket: name, url, namespace, transports, browser, cookie, headers, auth, comeBack, share, timeout }) {
    const cookies = new Browser(browser ?? name);
    if (cookie) cookies.set(cookie);
    const socket = share
      ? sockets.get(share).socket.io.socket(namespace, { auth })
      : io(url + namespace, {
          forceNew: true,
          reconnection: Boolean(comeBack),
          reconnectionDelay: 50,
          reconnectionDelayMax: 200,
          transports: transports.map((transport) => cookies.transport(transport)),
          extraHeaders: cookies.headersOf(headers),
          auth,
          autoConnect: false,
        });
    const heard = new Heard();
    sockets.set(name, { socket, heard, cookies });
    listen(socket, heard);
    if (comeBack) {
      // The lines that the guide gives to a page.
      socket.on("disconnect", (why) => {
        if (why === "io server disconnect") {
          socket.io.engine.close();
          socket.connect();
        }
      });
    }
    const connected = heard.next("connect").then(() => ({ connected: true }));
    const refused = heard.next("connect_error").then(([message, data]) => ({ connected: false, message, data }));
    socket.connect();
    return within(timeout, "the outcome of a connection", Promise.race([connected, refused]));
  },

  // Emits all events in one go; with `ack`, waits for all acknowledgements and gives them in the events' order. A
  // connection that is lost meanwhile is an error: what was under way then is not acknowledged any more.
  async emit({ socket: name, events, ack, timeout }) {
    const { socket } = sockets.get(name);
    if (!ack) {
      for (const [event, ...values] of events) socket.emit(event, ...values);
      return null;
    }
    const ask = ([event, ...values]) =>
      new Promise((resolve, reject) => {
        const heard = (error, ...answer) => (error ? reject(error) : resolve(answer));
        socket.timeout(timeout).emit(event, ...values, heard);
      });
    return Promise.all(events.map(ask));
  },

  // The values of the next event of that name that nobody has asked for yet.
  next({ socket: name, event, timeout }) {
    return within(timeout, `the event ${event}`, sockets.get(name).heard.next(event));
  },

  disconnect({ socket: name }) {
    sockets.get(name).socket.disconnect();
  },

  // What the browser of this socket keeps, and all `Set-Cookie` lines that it was sent.
  state({ socket: name }) {
    const { socket, cookies } = sockets.get(name);
    return {
      connected: socket.connected,
      id: socket.id ?? null,
      cookies: Object.fromEntries(cookies.jar.cookies),
      received: cookies.jar.received,
    };
  },

  setCookie({ socket: name, cookie }) {
    sockets.get(name).cookies.set(cookie);
  },
});
