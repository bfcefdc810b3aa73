// An agent on the official JavaScript SDK of version 1.0, which speaks version 0.3 too: a text is a task that echoes it, `sleep N`
// a task of N seconds that can be cancelled, `msg ...` a message.

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import express from 'express';
import { AgentCard, Message, Task, TaskArtifactUpdateEvent, TaskStatusUpdateEvent } from '@a2a-js/sdk';
import { createLegacyAwarePushNotificationSender } from '@a2a-js/sdk/compat/v0_3/server';
import {
  AgentEvent,
  DefaultExecutionEventBusManager,
  DefaultRequestHandler,
  InMemoryPushNotificationStore,
  InMemoryTaskStore,
} from '@a2a-js/sdk/server';
import { UserBuilder, agentCardHandler, jsonRpcHandler } from '@a2a-js/sdk/server/express';
import { serve } from '../serve.mjs';

class Echo {
  running = new Map();

  execute = async ({ userMessage, taskId, contextId, task }, bus) => {
    const { parts } = Message.toJSON(userMessage);
    const text = parts[0].text;
    if (text.startsWith('msg ')) {
      const message = { role: 'ROLE_AGENT', messageId: randomUUID(), contextId, parts };
      bus.publish(AgentEvent.message(Message.fromJSON(message)));
      return bus.finished();
    }
    const status = (state) => ({ state: `TASK_STATE_${state}`, timestamp: new Date().toISOString() });
    const update = (state) => {
      const event = { taskId, contextId, status: status(state) };
      bus.publish(AgentEvent.statusUpdate(TaskStatusUpdateEvent.fromJSON(event)));
    };
    const begun = Task.fromJSON({ id: taskId, contextId, status: status('SUBMITTED') });
    bus.publish(AgentEvent.task(task ?? { ...begun, history: [userMessage] }));
    update('WORKING');
    const stop = new AbortController();
    this.running.set(taskId, stop);
    try {
      if (text.startsWith('sleep ')) await sleep(1000 * text.slice(6), undefined, { signal: stop.signal });
      const event = { taskId, contextId, artifact: { artifactId: 'echo', parts } };
      bus.publish(AgentEvent.artifactUpdate(TaskArtifactUpdateEvent.fromJSON(event)));
      update('COMPLETED');
    } catch {
      update('CANCELED');
    }
    this.running.delete(taskId);
    bus.finished();
  };

  cancelTask = async (taskId) => this.running.get(taskId)?.abort();
}

serve((url) => {
  const speaks = (protocolVersion) => ({ url: `${url}/`, protocolBinding: 'JSONRPC', protocolVersion });
  const card = AgentCard.fromJSON({
    name: 'echo',
    description: 'Echoes.',
    version: '1.0.0',
    supportedInterfaces: [speaks('1.0'), speaks('0.3')],
    skills: [{ id: 'echo', name: 'echo', description: 'Echoes.', tags: ['echo'] }],
    capabilities: { streaming: true, pushNotifications: true },
    defaultInputModes: ['text/plain'],
    defaultOutputModes: ['text/plain'],
  });
  const hooks = new InMemoryPushNotificationStore();
  const requestHandler = new DefaultRequestHandler(
    card,
    new InMemoryTaskStore(),
    new Echo(),
    new DefaultExecutionEventBusManager(),
    hooks,
    createLegacyAwarePushNotificationSender(hooks),
  );
  const legacyCompat = { enabled: true };
  const app = express();
  app.use('/.well-known/agent-card.json', agentCardHandler({ agentCardProvider: requestHandler }));
  app.use('/', jsonRpcHandler({ requestHandler, userBuilder: UserBuilder.noAuthentication, legacyCompat }));
  return app;
});
