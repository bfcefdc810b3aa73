// An agent on the official JavaScript SDK of version 0.3: a text is a task that echoes it, `sleep N` a task of N seconds that can
// be cancelled, `msg ...` a message.

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import express from 'express';
import {
  DefaultExecutionEventBusManager,
  DefaultPushNotificationSender,
  DefaultRequestHandler,
  InMemoryPushNotificationStore,
  InMemoryTaskStore,
} from '@a2a-js/sdk/server';
import { UserBuilder, agentCardHandler, jsonRpcHandler } from '@a2a-js/sdk/server/express';
import { serve } from '../serve.mjs';

class Echo {
  running = new Map();

  execute = async ({ userMessage, taskId, contextId, task }, bus) => {
    const parts = userMessage.parts;
    const text = parts[0].text;
    if (text.startsWith('msg ')) {
      bus.publish({ kind: 'message', role: 'agent', messageId: randomUUID(), contextId, parts });
      return bus.finished();
    }
    const status = (state) => ({ state, timestamp: new Date().toISOString() });
    const update = (state, final) =>
      bus.publish({ kind: 'status-update', taskId, contextId, status: status(state), final });
    bus.publish(task ?? { kind: 'task', id: taskId, contextId, status: status('submitted'), history: [userMessage] });
    update('working', false);
    const stop = new AbortController();
    this.running.set(taskId, stop);
    try {
      if (text.startsWith('sleep ')) await sleep(1000 * text.slice(6), undefined, { signal: stop.signal });
      bus.publish({ kind: 'artifact-update', taskId, contextId, artifact: { artifactId: 'echo', parts } });
      update('completed', true);
    } catch {
      update('canceled', true);
    }
    this.running.delete(taskId);
    bus.finished();
  };

  cancelTask = async (taskId) => this.running.get(taskId)?.abort();
}

serve((url) => {
  const card = {
    name: 'echo',
    description: 'Echoes.',
    protocolVersion: '0.3.0',
    version: '1.0.0',
    url: `${url}/`,
    preferredTransport: 'JSONRPC',
    skills: [{ id: 'echo', name: 'echo', description: 'Echoes.', tags: ['echo'] }],
    capabilities: { streaming: true, pushNotifications: true },
    defaultInputModes: ['text/plain'],
    defaultOutputModes: ['text/plain'],
  };
  const hooks = new InMemoryPushNotificationStore();
  const requestHandler = new DefaultRequestHandler(
    card,
    new InMemoryTaskStore(),
    new Echo(),
    new DefaultExecutionEventBusManager(),
    hooks,
    new DefaultPushNotificationSender(hooks),
  );
  const app = express();
  app.use('/.well-known/agent-card.json', agentCardHandler({ agentCardProvider: requestHandler }));
  app.use('/', jsonRpcHandler({ requestHandler, userBuilder: UserBuilder.noAuthentication }));
  return app;
});
