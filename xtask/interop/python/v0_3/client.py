"""The official Python client of version 0.3, against an agent whose address is the argument."""

import asyncio
import sys
import uuid
from pathlib import Path

import httpx
from a2a.client import ClientConfig, ClientFactory
from a2a.client.errors import A2AClientJSONRPCError
from a2a.types import (
    GetTaskPushNotificationConfigParams,
    Message,
    MessageSendConfiguration,
    Part,
    PushNotificationConfig,
    Role,
    Task,
    TaskIdParams,
    TaskPushNotificationConfig,
    TaskQueryParams,
    TextPart,
)

sys.path.append(str(Path(__file__).parent.parent))
from cases import TOKEN, Webhook, holds, run, same, until  # noqa: E402


def user(text):
    part = Part(root=TextPart(text=text))
    return Message(role=Role.user, message_id=str(uuid.uuid4()), parts=[part])


def text_of(thing):
    return ' '.join(part.root.text for part in thing.parts)


def check_done(task, text):
    same(task.status.state.value, 'completed')
    holds(' '.join(text_of(artifact) for artifact in task.artifacts or []), text)


async def check_refused(call, code):
    try:
        answer = await call
    except A2AClientJSONRPCError as error:
        same(error.error.code, code)
    else:
        raise AssertionError(f'{answer!r} instead of an error')


async def main(url):
    http = httpx.AsyncClient(timeout=30)

    async def connect(**options):
        config = ClientConfig(httpx_client=http, **options)
        return await ClientFactory.connect(url, client_config=config)

    single = await connect(streaming=False)
    streaming = await connect()

    async def ask(text, **configuration):
        options = MessageSendConfiguration(**configuration)
        async for answer in single.send_message(user(text), configuration=options):
            return answer if isinstance(answer, Message) else answer[0]

    async def start(text, **configuration):
        task = await ask(text, blocking=False, **configuration)
        if task.status.state.value not in ('submitted', 'working'):
            raise AssertionError(f'{task.status.state} right after the start')
        return task

    async def state_of(task):
        return (await single.get_task(TaskQueryParams(id=task.id))).status.state.value

    async def card():
        card = await single.get_card()
        holds(card.protocol_version, '0.3')
        same(card.preferred_transport, 'JSONRPC')
        holds(card.url, url)
        same((card.capabilities.streaming, card.capabilities.push_notifications), (True, True))
        same(bool(card.name and card.skills), True)

    async def send():
        task = await ask('hello there')
        same(isinstance(task, Task), True)
        check_done(task, 'hello there')

    async def message():
        answer = await ask('msg hello')
        same((answer.kind, answer.role.value), ('message', 'agent'))
        holds(text_of(answer), 'msg hello')
        events = [event async for event in streaming.send_message(user('msg again'))]
        same(len(events), 1)
        holds(text_of(events[0]), 'msg again')

    async def get():
        task = await ask('to be asked for')
        found = await single.get_task(TaskQueryParams(id=task.id))
        check_done(found, 'to be asked for')
        same((found.id, found.context_id), (task.id, task.context_id))
        same(text_of(found.history[0]), 'to be asked for')

    async def stream():
        events = [event async for event in streaming.send_message(user('in pieces'))]
        same((events[0][1], len(events) > 2), (None, True))
        check_done(events[-1][0], 'in pieces')

    async def non_blocking():
        task = await start('sleep 1')
        await until('completed', lambda: state_of(task))

    async def cancel():
        task = await start('sleep 60')
        same((await single.cancel_task(TaskIdParams(id=task.id))).status.state.value, 'canceled')
        same(await state_of(task), 'canceled')

    async def resubscribe():
        task = await start('sleep 2')
        events = [event async for event in streaming.resubscribe(TaskIdParams(id=task.id))]
        check_done(events[-1][0], 'sleep 2')

    async def push():
        hook = Webhook()

        def config(name):
            return PushNotificationConfig(id=name, url=f'{hook.url}/{name}', token=TOKEN)

        task = await start('sleep 2', push_notification_config=config('first'))
        later = TaskPushNotificationConfig(task_id=task.id, push_notification_config=config('later'))
        await single.set_task_callback(later)
        question = GetTaskPushNotificationConfigParams(id=task.id, push_notification_config_id='first')
        found = await single.get_task_callback(question)
        same(found.push_notification_config.url, f'{hook.url}/first')
        await hook.wait(
            ['/first', '/later'],
            lambda body: (body.get('id'), body.get('status', {}).get('state')) == (task.id, 'completed'),
        )

    async def unknown():
        await check_refused(single.get_task(TaskQueryParams(id='nobody-knows')), -32001)
        await check_refused(single.cancel_task(TaskIdParams(id='nobody-knows')), -32001)

    async def finished():
        task = await ask('over at once')
        await check_refused(single.cancel_task(TaskIdParams(id=task.id)), -32002)

    await run([card, send, message, get, stream, non_blocking, cancel, resubscribe, push, unknown, finished])


asyncio.run(main(sys.argv[1]))
