"""The Socket.IO client of another language, one command a line (see `src/python.rs`).

A request is `{"id", "command", ..}`; its answer is `{"id", "value"}` or `{"id", "error"}`. Requests are carried out as
they come and answered when they are done, so that one that waits holds up no other.
"""

import json
import queue
import sys
import threading

import requests
import socketio

sockets = {}
ends = {}
printing = threading.Lock()


def get(url, headers):
    """One GET over HTTP that keeps no cookies."""
    answer = requests.get(url, headers=headers, timeout=20, allow_redirects=False)
    return {"status": answer.status_code, "headers": dict(answer.headers), "body": answer.text}


def connect(socket, url, transports, headers):
    """Connects to the namespace `/`: `null`, or what was wrong."""
    # The client shows extra headers on the handshake alone; its later requests have those of its HTTP session.
    http = requests.Session()
    http.headers.update(headers)
    client = socketio.Client(reconnection=False, http_session=http)
    ends[socket] = queue.Queue()
    client.on("disconnect", lambda *reason: ends[socket].put(True))
    sockets[socket] = client
    try:
        client.connect(url, headers=headers, transports=transports, wait_timeout=20)
    except socketio.exceptions.ConnectionError as error:
        return str(error)
    return None


def ask(socket, event):
    """Emits, and gives the acknowledgement."""
    return sockets[socket].call(event, timeout=20)


def ended(socket):
    """Waits until the socket is disconnected."""
    return ends[socket].get(timeout=20)


def transport(socket):
    return sockets[socket].transport()


COMMANDS = {"get": get, "connect": connect, "ask": ask, "ended": ended, "transport": transport}


def carry_out(id, command, options):
    try:
        answer = {"id": id, "value": COMMANDS[command](**options)}
    except Exception as error:  # whatever it is, the test is told
        answer = {"id": id, "error": repr(error)}
    with printing:
        print(json.dumps(answer), flush=True)


for line in sys.stdin:
    request = json.loads(line)
    arguments = (request.pop("id"), request.pop("command"), request)
    threading.Thread(target=carry_out, args=arguments, daemon=True).start()
