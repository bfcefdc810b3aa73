"""The official Python client of version 1.0, against an agent whose address is the argument."""

import asyncio
import sys
import uuid
from pathlib import Path

import httpx
from a2a.client import ClientConfig, ClientFactory
from a2a.helpers import get_artifact_text, get_message_text, new_text_part
from a2a.types.a2a_pb2 import (
    CancelTaskRequest,
    DeleteTaskPushNotificationConfigRequest,
    GetTaskPushNotificationConfigRequest,
    GetTaskRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTasksRequest,
    Message,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    SubscribeToTaskRequest,
    TaskPushNotificationConfig,
    TaskState,
)
from a2a.utils.errors import TaskNotCancelableError, TaskNotFoundError

sys.path.append(str(Path(__file__).parent.parent))
from cases import TOKEN, Webhook, holds, run, same, until  # noqa: E402


def state_name(state):
    return TaskState.Name(state).removeprefix('TASK_STATE_').lower()


def check_done(task, text):
    same(state_name(task.status.state), 'completed')
    holds(' '.join(get_artifact_text(artifact) for artifact in task.artifacts), text)


async def check_refused(call, kind):
    try:
        answer = await call
    except kind:
        return
    raise AssertionError(f'{answer!r} instead of {kind.__name__}')


async def main(url):
    http = httpx.AsyncClient(timeout=30)

    async def connect(**options):
        return await ClientFactory(ClientConfig(httpx_client=http, **options)).create_from_url(url)

    single = await connect(streaming=False)
    streaming = await connect()

    def request(text, **configuration):
        message = Message(message_id=str(uuid.uuid4()), role=Role.ROLE_USER, parts=[new_text_part(text)])
        options = SendMessageConfiguration(**configuration)
        return SendMessageRequest(message=message, configuration=options)

    async def ask(text, **configuration):
        async for answer in single.send_message(request(text, **configuration)):
            return answer

    async def start(text, **configuration):
        task = (await ask(text, return_immediately=True, **configuration)).task
        if state_name(task.status.state) not in ('submitted', 'working'):
            raise AssertionError(f'{state_name(task.status.state)} right after the start')
        return task

    async def find(task):
        return await single.get_task(GetTaskRequest(id=task.id))

    async def state_of(task):
        return state_name((await find(task)).status.state)

    async def card():
        card = single._card
        interfaces = [(one.protocol_binding, one.protocol_version) for one in card.supported_interfaces]
        same(('JSONRPC', '1.0') in interfaces, True)
        holds(card.supported_interfaces[0].url, url)
        same((card.capabilities.streaming, card.capabilities.push_notifications), (True, True))
        same(bool(card.name and card.skills), True)

    async def send():
        answer = await ask('hello there')
        same(answer.WhichOneof('payload'), 'task')
        check_done(answer.task, 'hello there')

    async def message():
        answer = await ask('msg hello')
        same(answer.message.role, Role.ROLE_AGENT)
        holds(get_message_text(answer.message), 'msg hello')
        events = [event async for event in streaming.send_message(request('msg again'))]
        same(len(events), 1)
        holds(get_message_text(events[0].message), 'msg again')

    async def get():
        task = (await ask('to be asked for')).task
        found = await find(task)
        check_done(found, 'to be asked for')
        same((found.id, found.context_id), (task.id, task.context_id))
        same(get_message_text(found.history[0]), 'to be asked for')
        listed = await single.list_tasks(ListTasksRequest(context_id=task.context_id))
        same([task.id for task in listed.tasks], [task.id])

    async def stream():
        events = [event async for event in streaming.send_message(request('in pieces'))]
        kinds = [event.WhichOneof('payload') for event in events]
        same((kinds[0], kinds[-1]), ('task', 'status_update'))
        same(state_name(events[-1].status_update.status.state), 'completed')
        pieces = [event.artifact_update.artifact for event in events if event.HasField('artifact_update')]
        holds(' '.join(get_artifact_text(piece) for piece in pieces), 'in pieces')

    async def non_blocking():
        task = await start('sleep 1')
        await until('completed', lambda: state_of(task))

    async def cancel():
        task = await start('sleep 60')
        canceled = await single.cancel_task(CancelTaskRequest(id=task.id))
        same(state_name(canceled.status.state), 'canceled')
        same(await state_of(task), 'canceled')

    async def resubscribe():
        task = await start('sleep 2')
        question = SubscribeToTaskRequest(id=task.id)
        events = [event async for event in streaming.subscribe(question)]
        same((events[0].WhichOneof('payload'), events[0].task.id), ('task', task.id))
        same(state_name(events[-1].status_update.status.state), 'completed')

    async def push():
        hook = Webhook()

        def config(name, **options):
            return TaskPushNotificationConfig(id=name, url=f'{hook.url}/{name}', token=TOKEN, **options)

        task = await start('sleep 2', task_push_notification_config=config('first'))
        await single.create_task_push_notification_config(config('later', task_id=task.id))
        await single.create_task_push_notification_config(config('unwanted', task_id=task.id))
        question = GetTaskPushNotificationConfigRequest(task_id=task.id, id='later')
        found = await single.get_task_push_notification_config(question)
        same((found.url, found.task_id), (f'{hook.url}/later', task.id))
        deletion = DeleteTaskPushNotificationConfigRequest(task_id=task.id, id='unwanted')
        await single.delete_task_push_notification_config(deletion)
        question = ListTaskPushNotificationConfigsRequest(task_id=task.id)
        listed = await single.list_task_push_notification_configs(question)
        same(sorted(one.id for one in listed.configs), ['first', 'later'])

        def completed(body):
            update = body.get('statusUpdate', {})
            return (update.get('taskId'), update.get('status', {}).get('state')) == (task.id, 'TASK_STATE_COMPLETED')

        await hook.wait(['/first', '/later'], completed)

    async def unknown():
        await check_refused(single.get_task(GetTaskRequest(id='nobody-knows')), TaskNotFoundError)
        await check_refused(single.cancel_task(CancelTaskRequest(id='nobody-knows')), TaskNotFoundError)

    async def finished():
        task = (await ask('over at once')).task
        await check_refused(single.cancel_task(CancelTaskRequest(id=task.id)), TaskNotCancelableError)

    await run([card, send, message, get, stream, non_blocking, cancel, resubscribe, push, unknown, finished])


asyncio.run(main(sys.argv[1]))
