"""An agent on the official Python SDK of version 1.0, which speaks version 0.3 too: a text is a task that echoes it, `sleep N` a
task of N seconds that can be cancelled, `msg ...` a message."""

import asyncio
import sys
from pathlib import Path

import httpx
from a2a.helpers import new_task_from_user_message, new_text_message, new_text_part
from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import (
    BasePushNotificationSender,
    InMemoryPushNotificationConfigStore,
    InMemoryTaskStore,
    TaskUpdater,
)
from a2a.types.a2a_pb2 import AgentCapabilities, AgentCard, AgentInterface, AgentSkill
from starlette.applications import Starlette

sys.path.append(str(Path(__file__).parent.parent))
from serve import serve  # noqa: E402


class Echo(AgentExecutor):
    async def execute(self, context, event_queue):
        text = context.get_user_input()
        if text.startswith('msg '):
            await event_queue.enqueue_event(new_text_message(text, context_id=context.context_id))
            return
        task = context.current_task or new_task_from_user_message(context.message)
        await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        await updater.start_work()
        if text.startswith('sleep '):
            await asyncio.sleep(float(text.removeprefix('sleep ')))
        await updater.add_artifact([new_text_part(text)], name='echo')
        await updater.complete()

    async def cancel(self, context, event_queue):
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


def build(url):
    interfaces = [
        AgentInterface(url=f'{url}/', protocol_binding='JSONRPC', protocol_version=version) for version in ('1.0', '0.3')
    ]
    card = AgentCard(
        name='echo',
        description='Echoes.',
        supported_interfaces=interfaces,
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
        agent_card=card,
        push_config_store=hooks,
        push_sender=BasePushNotificationSender(httpx.AsyncClient(), hooks),
    )
    calls = create_jsonrpc_routes(handler, '/', enable_v0_3_compat=True)
    return Starlette(routes=create_agent_card_routes(card) + calls)


serve(build)
