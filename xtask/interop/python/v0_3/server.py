"""An agent on the official Python SDK of version 0.3: a text is a task that echoes it, `sleep N` a task of N seconds that can
be cancelled, `msg ...` a message."""

import asyncio
import sys
from pathlib import Path

import httpx
from a2a.server.agent_execution import AgentExecutor
from a2a.server.apps import A2AStarletteApplication
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.tasks import (
    BasePushNotificationSender,
    InMemoryPushNotificationConfigStore,
    InMemoryTaskStore,
    TaskUpdater,
)
from a2a.types import AgentCapabilities, AgentCard, AgentSkill, Part, TextPart
from a2a.utils import new_agent_text_message, new_task

sys.path.append(str(Path(__file__).parent.parent))
from serve import serve  # noqa: E402


class Echo(AgentExecutor):
    async def execute(self, context, event_queue):
        text = context.get_user_input()
        if text.startswith('msg '):
            await event_queue.enqueue_event(new_agent_text_message(text, context.context_id))
            return
        task = context.current_task or new_task(context.message)
        await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        await updater.start_work()
        if text.startswith('sleep '):
            await asyncio.sleep(float(text.removeprefix('sleep ')))
        await updater.add_artifact([Part(root=TextPart(text=text))], name='echo')
        await updater.complete()

    async def cancel(self, context, event_queue):
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


def build(url):
    card = AgentCard(
        name='echo',
        description='Echoes.',
        url=f'{url}/',
        version='1.0.0',
        capabilities=AgentCapabilities(streaming=True, push_notifications=True),
        default_input_modes=['text/plain'],
        default_output_modes=['text/plain'],
        skills=[AgentSkill(id='echo', name='echo', description='Echoes.', tags=['echo'])],
    )
    hooks = InMemoryPushNotificationConfigStore()
    handler = DefaultRequestHandler(
        agent_executor=Echo(),
        task_store=InMemoryTaskStore(),
        push_config_store=hooks,
        push_sender=BasePushNotificationSender(httpx.AsyncClient(), hooks),
    )
    return A2AStarletteApplication(agent_card=card, http_handler=handler).build()


serve(build)
