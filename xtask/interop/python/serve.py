"""Serves an app on a free port, and prints its address when it is known."""

import socket

import uvicorn


def serve(build):
    listener = socket.socket()
    listener.bind(('127.0.0.1', 0))
    url = f'http://127.0.0.1:{listener.getsockname()[1]}'
    app = build(url)
    listener.listen()
    print(url, flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level='error')).run(sockets=[listener])
