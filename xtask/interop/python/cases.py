"""What every client goes through, and how it tells: one line a case on the standard output, `NAME ok` or `NAME failed: WHY`."""

import asyncio
import json
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATIENCE = 20

TOKEN = 'known-to-the-webhook'


async def run(cases):
    """Runs the cases one after the other."""
    for case in cases:
        name = case.__name__.replace('_', '-')
        try:
            await asyncio.wait_for(case(), PATIENCE)
            print(name, 'ok', flush=True)
        except Exception as error:
            print(name, 'failed:', explain(error), flush=True)


def explain(error):
    text = ' '.join(str(error).split())
    return f'{type(error).__name__}: {text}'[:300]


def same(got, expected):
    if got != expected:
        raise AssertionError(f'{got!r} instead of {expected!r}')


def holds(text, expected):
    if expected not in str(text):
        raise AssertionError(f'{expected!r} is not in {text!r}')


async def until(state, ask):
    """Asks for a state until it is this one."""
    while (now := await ask()) != state:
        if now in ('failed', 'rejected', 'canceled'):
            raise AssertionError(f'{now} instead of {state}')
        await asyncio.sleep(0.1)


class Webhook:
    """Takes notifications, on a port of its own."""

    def __init__(self):
        self.bodies = queue.Queue()
        self.server = ThreadingHTTPServer(('127.0.0.1', 0), self.handler())
        self.url = f'http://127.0.0.1:{self.server.server_port}'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def handler(hook):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length']))
                if self.headers['X-A2A-Notification-Token'] == TOKEN:
                    hook.bodies.put((self.path, json.loads(body)))
                self.send_response(200)
                self.send_header('Content-Length', '0')
                self.end_headers()

            def log_message(self, *arguments):
                pass

        return Handler

    async def wait(self, paths, wanted):
        """Waits until a body that is `wanted` came to each of the paths."""
        missing = set(paths)
        while missing:
            try:
                path, body = await asyncio.to_thread(self.bodies.get, timeout=PATIENCE / 2)
            except queue.Empty:
                raise AssertionError(f'nothing came to {sorted(missing)}') from None
            if wanted(body):
                missing.discard(path)
