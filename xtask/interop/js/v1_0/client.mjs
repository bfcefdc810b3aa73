// The official JavaScript client of version 1.0, against an agent whose address is the argument. What it returns is compared as
// JSON, because that is what the protocol speaks.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import {
  AgentCard,
  CancelTaskRequest,
  DeleteTaskPushNotificationConfigRequest,
  GetTaskPushNotificationConfigRequest,
  GetTaskRequest,
  ListTaskPushNotificationConfigsRequest,
  ListTasksRequest,
  Message,
  SendMessageRequest,
  StreamResponse,
  SubscribeToTaskRequest,
  Task,
  TaskPushNotificationConfig,
} from '@a2a-js/sdk';
import { ClientFactory } from '@a2a-js/sdk/client';
import { TaskNotCancelableError, TaskNotFoundError } from '@a2a-js/sdk/errors';
import { TOKEN, collect, holds, run, until, webhook } from '../cases.mjs';

const [url] = process.argv.slice(2);
const client = await new ClientFactory().createFromUrl(url);

const request = (text, configuration = {}) =>
  SendMessageRequest.fromJSON({
    message: { role: 'ROLE_USER', messageId: randomUUID(), parts: [{ text }] },
    configuration,
  });
const answered = (answer) => (answer.status ? { task: Task.toJSON(answer) } : { message: Message.toJSON(answer) });
const ask = async (text, configuration) => answered(await client.sendMessage(request(text, configuration)));
const find = async (id) => Task.toJSON(await client.getTask(GetTaskRequest.fromJSON({ id })));
const cancel = async (id) => Task.toJSON(await client.cancelTask(CancelTaskRequest.fromJSON({ id })));
const events = async (stream) => (await collect(stream)).map((event) => StreamResponse.toJSON(event));
const stateOf = (task) => task.status.state.replace('TASK_STATE_', '').toLowerCase();
const textOf = (things) => things.flatMap((thing) => thing.parts.map((part) => part.text)).join(' ');

async function start(text, configuration) {
  const { task } = await ask(text, { returnImmediately: true, ...configuration });
  assert.ok(['submitted', 'working'].includes(stateOf(task)), `${stateOf(task)} right after the start`);
  return task;
}

function checkDone(task, text) {
  assert.equal(stateOf(task), 'completed');
  holds(textOf(task.artifacts ?? []), text);
}

await run({
  async card() {
    const card = AgentCard.toJSON(await client.getAgentCard());
    const [first] = card.supportedInterfaces;
    assert.deepEqual([first.protocolBinding, first.protocolVersion], ['JSONRPC', '1.0']);
    holds(first.url, url);
    assert.ok(card.name && card.skills.length && card.capabilities.streaming && card.capabilities.pushNotifications);
  },
  async send() {
    checkDone((await ask('hello there')).task, 'hello there');
  },
  async message() {
    const { message } = await ask('msg hello');
    assert.equal(message.role, 'ROLE_AGENT');
    holds(textOf([message]), 'msg hello');
    const streamed = await events(client.sendMessageStream(request('msg again')));
    assert.equal(streamed.length, 1);
    holds(textOf([streamed[0].message]), 'msg again');
  },
  async get() {
    const { task } = await ask('to be asked for');
    const found = await find(task.id);
    checkDone(found, 'to be asked for');
    assert.deepEqual([found.id, found.contextId], [task.id, task.contextId]);
    assert.equal(textOf(found.history.slice(0, 1)), 'to be asked for');
    const listed = await client.listTasks(ListTasksRequest.fromJSON({ contextId: task.contextId }));
    assert.deepEqual(listed.tasks.map((one) => one.id), [task.id]);
  },
  async stream() {
    const streamed = await events(client.sendMessageStream(request('in pieces')));
    const last = streamed.at(-1);
    assert.ok(streamed[0].task, 'the first event is no task');
    assert.equal(stateOf(last.statusUpdate), 'completed');
    const pieces = streamed.filter((event) => event.artifactUpdate);
    holds(textOf(pieces.map((event) => event.artifactUpdate.artifact)), 'in pieces');
  },
  async 'non-blocking'() {
    const task = await start('sleep 1');
    await until('completed', async () => stateOf(await find(task.id)));
  },
  async cancel() {
    const task = await start('sleep 60');
    assert.equal(stateOf(await cancel(task.id)), 'canceled');
    assert.equal(stateOf(await find(task.id)), 'canceled');
  },
  async resubscribe() {
    const task = await start('sleep 2');
    const streamed = await events(client.resubscribeTask(SubscribeToTaskRequest.fromJSON({ id: task.id })));
    assert.equal(streamed[0].task.id, task.id);
    assert.equal(stateOf(streamed.at(-1).statusUpdate), 'completed');
  },
  async push() {
    const hook = await webhook();
    const config = (id, rest) => ({ id, url: `${hook.url}/${id}`, token: TOKEN, ...rest });
    const task = await start('sleep 2', { taskPushNotificationConfig: config('first') });
    const taskId = task.id;
    for (const id of ['later', 'unwanted']) {
      await client.createTaskPushNotificationConfig(TaskPushNotificationConfig.fromJSON(config(id, { taskId })));
    }
    const question = GetTaskPushNotificationConfigRequest.fromJSON({ taskId, id: 'later' });
    const found = await client.getTaskPushNotificationConfig(question);
    assert.deepEqual([found.url, found.taskId], [`${hook.url}/later`, taskId]);
    const deletion = DeleteTaskPushNotificationConfigRequest.fromJSON({ taskId, id: 'unwanted' });
    await client.deleteTaskPushNotificationConfig(deletion);
    const list = ListTaskPushNotificationConfigsRequest.fromJSON({ taskId });
    const { configs } = await client.listTaskPushNotificationConfig(list);
    assert.deepEqual(configs.map((one) => one.id).sort(), ['first', 'later']);
    await hook.wait(['/first', '/later'], ({ statusUpdate }) => {
      return statusUpdate?.taskId === taskId && stateOf(statusUpdate) === 'completed';
    });
  },
  async unknown() {
    await assert.rejects(find('nobody-knows'), TaskNotFoundError);
    await assert.rejects(cancel('nobody-knows'), TaskNotFoundError);
  },
  async finished() {
    const { task } = await ask('over at once');
    await assert.rejects(cancel(task.id), TaskNotCancelableError);
  },
});
