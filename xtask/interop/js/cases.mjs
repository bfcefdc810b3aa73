// What every client goes through, and how it tells: one line a case on the standard output, `NAME ok` or `NAME failed: WHY`.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const PATIENCE = 20_000;

export const TOKEN = 'known-to-the-webhook';

/** Runs the cases one after the other, and ends the process: an event stream may still be open. */
export async function run(cases) {
  for (const [name, act] of Object.entries(cases)) {
    try {
      await Promise.race([act(), tooLate(name)]);
      console.log(name, 'ok');
    } catch (error) {
      console.log(name, 'failed:', `${error?.name}: ${error?.message ?? error}`.replace(/\s+/g, ' ').slice(0, 300));
    }
  }
  process.exit(0);
}

async function tooLate(name) {
  await sleep(PATIENCE, undefined, { ref: false });
  throw new Error(`${name} takes too long`);
}

export function holds(text, expected) {
  assert.ok(String(text).includes(expected), `${expected} is not in ${JSON.stringify(text)}`);
}

/** Asks for a state until it is this one. */
export async function until(state, ask) {
  for (let now = await ask(); now !== state; now = await ask()) {
    assert.ok(!['failed', 'rejected', 'canceled'].includes(now), `${now} instead of ${state}`);
    await sleep(100);
  }
}

export async function collect(events) {
  const all = [];
  for await (const event of events) all.push(event);
  return all;
}

/** Takes notifications, on a port of its own. */
export async function webhook() {
  const arrivals = [];
  const server = createServer(async (request, response) => {
    const pieces = await request.toArray();
    if (request.headers['x-a2a-notification-token'] === TOKEN) {
      arrivals.push({ path: request.url, body: JSON.parse(Buffer.concat(pieces)) });
    }
    response.end();
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const came = (path, wanted) => arrivals.some((arrival) => arrival.path === path && wanted(arrival.body));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Waits until a body that is `wanted` came to each of the paths. */
    async wait(paths, wanted) {
      for (let tries = 0; !paths.every((path) => came(path, wanted)); tries++) {
        const missing = paths.filter((path) => !came(path, wanted));
        assert.ok(tries < PATIENCE / 200, `nothing came to ${missing}`);
        await sleep(100);
      }
    },
  };
}
