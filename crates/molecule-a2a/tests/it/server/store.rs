//! Where tasks are kept.

use std::sync::Arc;
use std::time::Duration;

use molecule_a2a::{
    ListTasks, MemoryTaskStore, Message, StoreError, StoredTask, Task, TaskPage, TaskState,
    TaskStatus, TaskStore,
};
use molecule_transport::Clock as _;
use molecule_transport::testing::SimulatedClock;
use serde_json::json;
use tokio::sync::Semaphore;

use super::world::{World, at_once, message, outline, to_task};

struct Shelf {
    clock: SimulatedClock,
    store: MemoryTaskStore,
}

impl Shelf {
    fn new(tasks: usize, bytes: usize) -> Self {
        let clock = SimulatedClock::new();
        let store = MemoryTaskStore::new(Arc::new(clock.clone())).with_room(tasks, bytes);
        Self { clock, store }
    }

    async fn put(&self, id: &str, state: TaskState) -> Result<(), StoreError> {
        let mut task = Task::new(id, "c");
        task.status = TaskStatus::new(state);
        self.store
            .save(StoredTask::new(task, self.clock.wall()))
            .await
    }

    async fn has(&self, id: &str) -> bool {
        self.store.load(id).await.unwrap().is_some()
    }

    async fn pass(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_over_is_forgotten_after_an_hour_and_what_waits_after_a_day() {
    let shelf = Shelf::new(10, 1 << 20);
    for (id, state) in [
        ("done", TaskState::Completed),
        ("waits", TaskState::InputRequired),
        ("works", TaskState::Working),
    ] {
        shelf.put(id, state).await.unwrap();
    }
    shelf.pass(3599).await;
    assert!(shelf.has("done").await);
    shelf.pass(1).await;
    assert!(!shelf.has("done").await && shelf.has("waits").await);
    shelf.pass(23 * 3600).await;
    assert!(!shelf.has("waits").await && shelf.has("works").await);
}

#[tokio::test(start_paused = true)]
async fn when_there_is_no_room_the_longest_idle_goes_and_never_what_works() {
    let shelf = Shelf::new(3, 1 << 20);
    shelf.put("works", TaskState::Working).await.unwrap();
    shelf.put("waits", TaskState::InputRequired).await.unwrap();
    shelf.pass(1).await;
    shelf.put("done", TaskState::Completed).await.unwrap();
    shelf.put("a", TaskState::Working).await.unwrap();
    assert!(!shelf.has("done").await && shelf.has("waits").await);
    shelf.put("b", TaskState::Working).await.unwrap();
    assert!(!shelf.has("waits").await);
    let full = shelf.put("c", TaskState::Working).await.unwrap_err();
    assert!(matches!(full, StoreError::Full));
    shelf.put("a", TaskState::Completed).await.unwrap();
    shelf.put("c", TaskState::Working).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn room_is_a_matter_of_bytes_too() {
    let shelf = Shelf::new(10, 150);
    shelf.put("a", TaskState::Completed).await.unwrap();
    shelf.put("b", TaskState::Completed).await.unwrap();
    shelf.put("c", TaskState::Completed).await.unwrap();
    assert!(!shelf.has("a").await && shelf.has("b").await && shelf.has("c").await);
}

#[tokio::test(start_paused = true)]
async fn a_page_of_large_tasks_is_shorter_than_was_asked_for() {
    let stored: Vec<_> = (0..5)
        .map(|number| {
            let mut task = Task::new(format!("{number}"), "c");
            task.history = Some(vec![Message::user("x".repeat(3 << 20))]);
            StoredTask::new(task, std::time::SystemTime::UNIX_EPOCH)
        })
        .collect();
    let (mut ids, mut wanted, mut pages) = (Vec::new(), ListTasks::default(), 0);
    loop {
        let page = TaskPage::of(&stored, &wanted).unwrap();
        pages += 1;
        ids.extend(page.tasks.into_iter().map(|task| task.id));
        if page.next_page_token.is_empty() {
            break;
        }
        wanted.page_token = Some(page.next_page_token);
    }
    assert_eq!(
        (pages, ids),
        (3, ["0", "1", "2", "3", "4"].map(String::from).to_vec())
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_without_room_refuses_tasks_and_answers_messages() {
    let store =
        Arc::new(MemoryTaskStore::new(Arc::new(SimulatedClock::new())).with_room(1, 1 << 20));
    let world = World::with(|options| options.with_task_store(store));
    let id = world.begin("sleep 60").await;
    assert_eq!(world.error("message/send", message("hi")).await, -32603);
    world.send("msg hi").await;
    world.result("tasks/cancel", json!({"id": id})).await;
    world.send("hi").await;
    assert_eq!(world.error("tasks/get", json!({"id": id})).await, -32001);
}

#[tokio::test(start_paused = true)]
async fn tasks_outlive_the_server_in_their_store_and_broken_off_work_has_failed() {
    let clock = Arc::new(SimulatedClock::new());
    let store = Arc::new(MemoryTaskStore::new(clock));
    let first = World::with(|options| options.with_task_store(store.clone()));
    let done = first.send("hi").await;
    let open = first.send("ask").await["id"].as_str().unwrap().to_owned();
    let working = first.begin("sleep 60").await;
    first.until(&working, "working").await;

    let second = World::with(|options| options.with_task_store(store));
    assert_eq!(second.get(done["id"].as_str().unwrap()).await, done);
    let task = second.result("message/send", to_task("hi", &open)).await;
    assert_eq!(task["status"]["state"], "completed");
    let broken = second.get(&working).await;
    assert_eq!(broken["status"]["state"], "failed");
    assert_eq!(
        second.error("tasks/cancel", json!({"id": working})).await,
        -32002
    );
}

/// A store whose disk is full.
struct Broken;

impl TaskStore for Broken {
    fn load<'a>(
        &'a self,
        _: &'a str,
    ) -> molecule_a2a::BoxFuture<'a, Result<Option<StoredTask>, StoreError>> {
        Box::pin(async { Err(failure()) })
    }

    fn save(&self, _: StoredTask) -> molecule_a2a::BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Err(failure()) })
    }

    fn list<'a>(
        &'a self,
        _: &'a ListTasks,
    ) -> molecule_a2a::BoxFuture<'a, Result<molecule_a2a::TaskPage, StoreError>> {
        Box::pin(async { Err(failure()) })
    }
}

/// A store that saves as often as it is let.
struct Slow {
    store: MemoryTaskStore,
    saves: Semaphore,
}

impl Slow {
    fn new(saves: usize) -> Arc<Self> {
        Arc::new(Self {
            store: MemoryTaskStore::new(Arc::new(SimulatedClock::new())),
            saves: Semaphore::new(saves),
        })
    }
}

impl TaskStore for Slow {
    fn load<'a>(
        &'a self,
        id: &'a str,
    ) -> molecule_a2a::BoxFuture<'a, Result<Option<StoredTask>, StoreError>> {
        self.store.load(id)
    }

    /// It can be read a while before the server hears that it was saved.
    fn save(&self, task: StoredTask) -> molecule_a2a::BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async {
            self.store.save(task).await?;
            self.saves.acquire().await.unwrap().forget();
            Ok(())
        })
    }

    fn list<'a>(
        &'a self,
        wanted: &'a ListTasks,
    ) -> molecule_a2a::BoxFuture<'a, Result<molecule_a2a::TaskPage, StoreError>> {
        self.store.list(wanted)
    }
}

#[tokio::test(start_paused = true)]
async fn who_hangs_up_on_a_cancellation_has_cancelled_the_task_all_the_same() {
    let store = Slow::new(2);
    let world = World::with(|options| options.with_task_store(store.clone()));
    let id = world.send("ask").await["id"].as_str().unwrap().to_owned();
    let params = json!({"id": id});
    let mut listener = world.stream("tasks/resubscribe", params.clone()).await;
    listener.next().await.unwrap();
    tokio::select! {
        biased;
        _ = world.call("tasks/cancel", params) => unreachable!("it is not saved"),
        () = tokio::task::yield_now() => {}
    }
    store.saves.add_permits(1);
    assert_eq!(outline(&listener.rest().await), ["canceled!"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_found_while_it_is_saved_for_the_first_time_has_not_failed() {
    let store = Slow::new(0);
    let world = World::with(|options| options.with_task_store(store.clone()));
    let begun = world.call("message/send", at_once(message("sleep 60")));
    let found = async {
        let page = world.result("ListTasks", json!({})).await;
        let id = page["tasks"][0]["id"].as_str().unwrap().to_owned();
        let (task, ()) = tokio::join!(world.get(&id), async {
            tokio::task::yield_now().await;
            store.saves.add_permits(10);
        });
        task
    };
    let (_, found) = tokio::join!(begun, found);
    assert_ne!(found["status"]["state"], "failed");
}

fn failure() -> StoreError {
    StoreError::Failed("/secret/path is full".into())
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_an_internal_error_without_its_details() {
    let world = World::with(|options| options.with_task_store(Arc::new(Broken)));
    for (method, params) in [
        ("message/send", message("hi")),
        ("tasks/get", json!({"id": "x"})),
        ("ListTasks", json!({})),
    ] {
        let answer = world.call(method, params).await;
        assert_eq!(answer["error"]["code"], -32603, "{method}");
        assert!(!answer.to_string().contains("secret"), "{answer}");
    }
    world.send("msg hi").await;
}
