// The official JavaScript client of version 0.3, against an agent whose address is the argument.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { ClientFactory, TaskNotCancelableError, TaskNotFoundError } from '@a2a-js/sdk/client';
import { TOKEN, collect, holds, run, until, webhook } from '../cases.mjs';

const [url] = process.argv.slice(2);
const client = await new ClientFactory().createFromUrl(url);

const params = (text, configuration) => ({
  message: { kind: 'message', role: 'user', messageId: randomUUID(), parts: [{ kind: 'text', text }] },
  configuration,
});
const ask = (text, configuration) => client.sendMessage(params(text, configuration));
const stateOf = async (task) => (await client.getTask({ id: task.id })).status.state;
const textOf = (things) => things.flatMap((thing) => thing.parts.map((part) => part.text)).join(' ');

async function start(text, configuration) {
  const task = await ask(text, { blocking: false, ...configuration });
  assert.ok(['submitted', 'working'].includes(task.status?.state), `${task.status?.state} right after the start`);
  return task;
}

function checkDone(task, text) {
  assert.equal(task.kind, 'task');
  assert.equal(task.status.state, 'completed');
  holds(textOf(task.artifacts ?? []), text);
}

await run({
  async card() {
    const card = await client.getAgentCard();
    holds(card.protocolVersion, '0.3');
    holds(card.url, url);
    assert.equal(card.preferredTransport ?? 'JSONRPC', 'JSONRPC');
    assert.ok(card.name && card.skills.length && card.capabilities.streaming && card.capabilities.pushNotifications);
  },
  async send() {
    checkDone(await ask('hello there'), 'hello there');
  },
  async message() {
    const answer = await ask('msg hello');
    assert.deepEqual([answer.kind, answer.role], ['message', 'agent']);
    holds(textOf([answer]), 'msg hello');
    const events = await collect(client.sendMessageStream(params('msg again')));
    assert.equal(events.length, 1);
    holds(textOf(events), 'msg again');
  },
  async get() {
    const task = await ask('to be asked for');
    const found = await client.getTask({ id: task.id, historyLength: 10 });
    checkDone(found, 'to be asked for');
    assert.deepEqual([found.id, found.contextId], [task.id, task.contextId]);
    assert.equal(textOf(found.history.slice(0, 1)), 'to be asked for');
  },
  async stream() {
    const events = await collect(client.sendMessageStream(params('in pieces')));
    const last = events.at(-1);
    assert.deepEqual([events[0].kind, last.kind, last.final], ['task', 'status-update', true]);
    assert.equal(last.status.state, 'completed');
    const pieces = events.filter((event) => event.kind === 'artifact-update');
    holds(textOf(pieces.map((event) => event.artifact)), 'in pieces');
  },
  async 'non-blocking'() {
    const task = await start('sleep 1');
    await until('completed', () => stateOf(task));
  },
  async cancel() {
    const task = await start('sleep 60');
    assert.equal((await client.cancelTask({ id: task.id })).status.state, 'canceled');
    assert.equal(await stateOf(task), 'canceled');
  },
  async resubscribe() {
    const task = await start('sleep 2');
    const last = (await collect(client.resubscribeTask({ id: task.id }))).at(-1);
    assert.equal(last.status.state, 'completed');
  },
  async push() {
    const hook = await webhook();
    const config = (id) => ({ id, url: `${hook.url}/${id}`, token: TOKEN });
    const task = await start('sleep 2', { pushNotificationConfig: config('first') });
    for (const id of ['later', 'unwanted']) {
      await client.setTaskPushNotificationConfig({ taskId: task.id, pushNotificationConfig: config(id) });
    }
    const question = { id: task.id, pushNotificationConfigId: 'later' };
    const found = await client.getTaskPushNotificationConfig(question);
    assert.equal(found.pushNotificationConfig.url, `${hook.url}/later`);
    await client.deleteTaskPushNotificationConfig({ id: task.id, pushNotificationConfigId: 'unwanted' });
    const listed = await client.listTaskPushNotificationConfig({ id: task.id });
    assert.deepEqual(listed.map((one) => one.pushNotificationConfig.id).sort(), ['first', 'later']);
    await hook.wait(['/first', '/later'], (body) => body.id === task.id && body.status?.state === 'completed');
  },
  async unknown() {
    await assert.rejects(client.getTask({ id: 'nobody-knows' }), TaskNotFoundError);
    await assert.rejects(client.cancelTask({ id: 'nobody-knows' }), TaskNotFoundError);
  },
  async finished() {
    const task = await ask('over at once');
    await assert.rejects(client.cancelTask({ id: task.id }), TaskNotCancelableError);
  },
});
