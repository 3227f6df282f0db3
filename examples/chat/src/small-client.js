// A small Socket.IO client, for a page that cannot load the official one (no internet). It speaks WebSocket only, one
// namespace, no binary data: https://socket.io/docs/v4/socket-io-protocol/. An application ships socket.io-client.

const [OPEN, CLOSE, PING, PONG, MESSAGE] = ["0", "1", "2", "3", "4"]; // Engine.IO's
const [CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR] = ["0", "1", "2", "3", "4"]; // Socket.IO's, in a MESSAGE
class SmallSocket {
  connected = false;
  // As in the official client: it comes back by itself, unless the server has ended it or refused it.
  active = false;
  io = { engine: { close: () => this.#drop() } };
  #handlers = {};
  #acks = [];
  #unsent = [];
  #pause = 1_000; // before it comes back
  #engine;
  #heartbeat;
  #timer;

  constructor() {
    this.connect();
  }

  connect() {
    if (this.#engine) return;
    clearTimeout(this.#timer);
    this.active = true;
    const address = new URL("/socket.io/?EIO=4&transport=websocket", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const engine = (this.#engine = new WebSocket(address));
    engine.onmessage = ({ data }) => engine === this.#engine && this.#hear(data);
    engine.onclose = () => engine === this.#engine && this.#lost("transport close");
  }

  on(event, handler) {
    (this.#handlers[event] ??= []).push(handler);
  }

  emit(...event) {
    this.#send(EVENT + JSON.stringify(event));
  }

  emitWithAck(...event) {
    return new Promise((resolve) => this.#send(EVENT + (this.#acks.push(resolve) - 1) + JSON.stringify(event)));
  }

  #send(packet) {
    if (this.connected) this.#engine.send(MESSAGE + packet);
    else this.#unsent.push(packet);
  }

  #hear(data) {
    const [kind, packet] = [data[0], data.slice(1)];
    if (kind === OPEN) {
      const { pingInterval, pingTimeout } = JSON.parse(packet);
      this.#heartbeat = pingInterval + pingTimeout;
      this.#engine.send(MESSAGE + CONNECT);
    } else if (kind === PING) this.#engine.send(PONG);
    else if (kind === CLOSE) this.#engine.close();
    else if (kind === MESSAGE) this.#receive(packet[0], packet.slice(1));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#engine?.close(), this.#heartbeat);
  }

  #receive(kind, rest) {
    const [, id, json] = /^(\d*)(.*)$/s.exec(rest);
    if (kind === CONNECT) {
      [this.connected, this.#pause] = [true, 1_000];
      this.#unsent.splice(0).forEach((packet) => this.#send(packet));
    } else if (kind === EVENT) this.#tell(...JSON.parse(json));
    else if (kind === ACK) this.#acks[id]?.(...JSON.parse(json));
    else if (kind === DISCONNECT || kind === CONNECT_ERROR) {
      [this.connected, this.active] = [false, false];
      if (kind === DISCONNECT) this.#tell("disconnect", "io server disconnect");
      else this.#tell("connect_error", new Error(JSON.parse(json).message));
    }
  }

  #tell(event, ...args) {
    for (const handler of this.#handlers[event] ?? []) handler(...args);
  }

  #drop() {
    clearTimeout(this.#timer);
    this.#engine?.close();
    this.#engine = undefined;
  }

  #lost(why) {
    const { connected } = this;
    this.#drop();
    this.connected = false;
    if (connected) this.#tell("disconnect", why);
    else if (this.active) this.#tell("connect_error", new Error("websocket error"));
    if (this.active && !this.#engine) this.#timer = setTimeout(() => this.connect(), this.#pause);
    this.#pause = Math.min(this.#pause * 2, 5_000);
  }
}

export const io = () => new SmallSocket();
