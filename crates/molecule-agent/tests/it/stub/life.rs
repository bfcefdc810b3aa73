//! How the stub registers and beats, in simulated time against a scripted platform.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use molecule_transport::testing::{Answer, answer};
use molecule_transport::{Clock, TransportError};

use super::ID;
use super::scene::{HEARTBEAT, REGISTER, Scene, every, some};

#[tokio::test(start_paused = true)]
async fn it_registers_as_the_original_does_and_beats_every_five_seconds() {
    let scene = Scene::new();
    scene.start(|_| async { Ok(answer(200, r#"{"status":"registered"}"#)) });
    scene.until(12).await;
    let registers = scene.calls(REGISTER);
    assert_eq!(registers.len(), 1);
    assert_eq!(
        registers[0].body,
        format!(
            r#"{{"id":"{ID}","url":"http://localhost:8000","delivery_mode":"push","agent_card":{{"description":"stub runtime (e2e lifecycle)","name":"{ID}","skills":[]}}}}"#
        )
    );
    let beat = |uptime| {
        format!(
            r#"{{"workspace_id":"{ID}","error_rate":0.0,"sample_error":"","active_tasks":0,"uptime_seconds":{uptime},"current_task":""}}"#
        )
    };
    let beats: Vec<_> = scene
        .calls(HEARTBEAT)
        .into_iter()
        .map(|call| call.body)
        .collect();
    assert_eq!(beats, [beat(0), beat(5), beat(10)]);
    assert_eq!(
        scene.lines.starting("register"),
        [r#"register -> 200 {"status":"registered"}"#]
    );
}

#[tokio::test(start_paused = true)]
async fn a_registration_is_tried_ten_times_two_seconds_apart() {
    let scene = Scene::new();
    scene.start(|call| async move {
        let status = if call.path == REGISTER { 500 } else { 200 };
        Ok(answer(status, r#"{"error":"registration failed"}"#))
    });
    scene.until(120).await;
    assert_eq!(scene.times(REGISTER), every(2, 10));
    let lines = scene.lines.starting("register attempt");
    let expect =
        |n| format!(r#"register attempt {n}: HTTPError 500 {{"error":"registration failed"}}"#);
    assert_eq!(lines, (1..=10).map(expect).collect::<Vec<_>>());
    assert_eq!(scene.times(HEARTBEAT), every(5, 25));
}

#[tokio::test(start_paused = true)]
async fn beats_go_on_while_a_registration_hangs() {
    let scene = Scene::new();
    scene.start(|call| async move {
        if call.path == REGISTER {
            std::future::pending::<()>().await;
        }
        Ok(answer(200, "{}"))
    });
    scene.until(60).await;
    assert_eq!(scene.times(HEARTBEAT), every(5, 13));
    assert_eq!(
        scene.times(REGISTER),
        every(17, 4),
        "15 s of waiting and 2 s between"
    );
    let attempt = &scene.lines.starting("register attempt 1: ")[0];
    assert!(attempt.contains("15s"), "{attempt}");
}

#[tokio::test(start_paused = true)]
async fn a_beat_that_hangs_is_given_up_after_fifteen_seconds() {
    let scene = Scene::new();
    scene.start(|call| async move {
        if call.path == HEARTBEAT {
            std::future::pending::<()>().await;
        }
        Ok(answer(200, "{}"))
    });
    scene.until(41).await;
    assert_eq!(scene.times(HEARTBEAT), every(20, 3));
    assert_eq!(scene.lines.starting("heartbeat error: ").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_rotated_token_file_counts_from_the_next_beat_on() {
    let scene = Scene::new();
    scene.write_token("volume-1");
    scene.start(|_| async { Ok(answer(200, r#"{"auth_token":"captured"}"#)) });
    scene.until(7).await;
    scene.write_token("volume-2");
    scene.until(12).await;
    std::fs::remove_file(scene.token_file()).unwrap();
    scene.until(17).await;
    assert_eq!(scene.bearers(REGISTER), some(&["volume-1"]));
    let expect = some(&["volume-1", "volume-1", "volume-2", "captured"]);
    assert_eq!(scene.bearers(HEARTBEAT), expect);
}

#[tokio::test(start_paused = true)]
async fn without_a_file_the_token_of_the_registration_counts_and_is_never_logged() {
    let scene = Scene::new();
    let issued = r#"{"auth_token":"s3cr3t-of-the-platform","status":"registered"}"#;
    scene.start(move |call| async move {
        Ok(answer(
            200,
            if call.path == REGISTER { issued } else { "{}" },
        ))
    });
    scene.until(6).await;
    assert_eq!(scene.bearers(REGISTER), some(&[""]));
    assert_eq!(
        scene.bearers(HEARTBEAT).last(),
        some(&["s3cr3t-of-the-platform"]).last()
    );
    assert_eq!(
        scene.lines.all()[2..],
        [
            r#"register -> 200 {"auth_token":"[redacted]","status":"registered"}"#,
            "captured auth_token from register response",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn registrations_carry_the_token_of_the_volume_alone() {
    let scene = Scene::new();
    scene.start(|call| async move {
        let status = if call.path == HEARTBEAT { 401 } else { 200 };
        Ok(answer(status, r#"{"auth_token":"captured"}"#))
    });
    scene.until(6).await;
    scene.write_token("volume");
    scene.until(11).await;
    assert_eq!(scene.bearers(REGISTER), some(&["", "", "volume"]));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_the_platform_echoes_is_not_logged() {
    let scene = Scene::new();
    scene.write_token("s3cr3t-on-the-volume");
    scene.start(|call| async move {
        let echo = format!(
            r#"{{"error":"bad token {}"}}"#,
            call.bearer.unwrap_or_default()
        );
        Ok(answer(if call.path == REGISTER { 401 } else { 202 }, echo))
    });
    scene.until(3).await;
    let lines = scene.lines.all();
    assert!(
        lines.contains(
            &r#"register attempt 2: HTTPError 401 {"error":"bad token [redacted]"}"#.to_owned()
        ),
        "{lines:?}"
    );
    assert!(
        lines.contains(&r#"heartbeat -> 202 {"error":"bad token [redacted]"}"#.to_owned()),
        "{lines:?}"
    );
    assert!(
        lines.iter().all(|line| !line.contains("s3cr3t")),
        "{lines:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_beat_registers_once_in_the_background() {
    let scene = Scene::new();
    scene.start(|call| async move {
        Ok(answer(
            if call.path == HEARTBEAT && call.at == 10 {
                401
            } else {
                200
            },
            "{}",
        ))
    });
    scene.until(31).await;
    assert_eq!(scene.times(REGISTER), [0, 10]);
    assert_eq!(scene.times(HEARTBEAT), every(5, 7));
    assert_eq!(
        scene.lines.starting("heartbeat"),
        ["heartbeat 401 (HTTPError) — re-registering"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_counts_even_if_its_body_breaks_off() {
    let scene = Scene::new();
    scene.start(|call| async move {
        if call.path == REGISTER {
            return Ok(answer(200, "{}"));
        }
        let mut broken = answer(401, "{");
        broken.headers_mut().insert("content-length", 40.into());
        Ok(broken)
    });
    scene.until(6).await;
    assert_eq!(scene.times(REGISTER), [0, 5]);
}

#[tokio::test(start_paused = true)]
async fn refused_beats_never_wait_and_never_start_a_second_registration() {
    let scene = Scene::new();
    let (under_way, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (clock, seen) = (scene.clock.clone(), most.clone());
    scene.start(move |call| {
        let (clock, under_way, seen) = (clock.clone(), under_way.clone(), seen.clone());
        async move {
            if call.path == REGISTER {
                seen.fetch_max(
                    under_way.fetch_add(1, Ordering::Relaxed) + 1,
                    Ordering::Relaxed,
                );
                clock.sleep(Duration::from_secs(7)).await;
                under_way.fetch_sub(1, Ordering::Relaxed);
            }
            Ok(answer(401, "{}"))
        }
    });
    scene.until(200).await;
    assert_eq!(scene.times(HEARTBEAT), every(5, 41));
    assert_eq!(most.load(Ordering::Relaxed), 1);
    assert_eq!(scene.times(REGISTER)[..3], [0, 9, 18]);
    assert!(
        scene.times(REGISTER).len() > 10,
        "a refused beat starts over after ten tries"
    );
}

#[tokio::test(start_paused = true)]
async fn garbage_with_status_200_counts_as_an_answer_that_says_nothing() {
    for garbage in [
        "",
        "<html>",
        "[]",
        "null",
        "\u{0}\u{1}",
        r#"{"auth_token":{"a":"s3cr3t"}}"#,
    ] {
        let scene = Scene::new();
        scene.start(move |_| async move { Ok(answer(200, garbage)) });
        scene.until(6).await;
        assert_eq!(scene.times(REGISTER), [0], "{garbage:?}");
        assert_eq!(scene.bearers(HEARTBEAT), some(&["", ""]), "{garbage:?}");
        assert_eq!(
            scene.lines.starting("register -> 200").len(),
            1,
            "{garbage:?}"
        );
        assert!(
            scene
                .lines
                .all()
                .iter()
                .all(|line| !line.contains("s3cr3t"))
        );
        scene.cancel.cancel();
    }
}

#[tokio::test(start_paused = true)]
async fn json_nested_without_end_is_no_reason_to_register_again() {
    let scene = Scene::new();
    scene.start(|_| async { Ok(answer(200, "[".repeat(100_000))) });
    scene.until(6).await;
    assert_eq!(scene.times(REGISTER), [0]);
    assert_eq!(scene.lines.starting("heartbeat"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_good_status_other_than_200_is_reported() {
    let scene = Scene::new();
    scene.start(|_| async { Ok(answer(202, "queued")) });
    scene.until(1).await;
    assert_eq!(
        scene.lines.starting("register"),
        [
            "register -> 202 queued",
            "register attempt 1: HTTP 202, retrying"
        ]
    );
    assert_eq!(
        scene.lines.starting("heartbeat"),
        ["heartbeat -> 202 queued"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_is_down_is_reported_and_tried_again() {
    let scene = Scene::new();
    scene.start(|call| async move {
        match call.at {
            0..5 => Err(TransportError::Connect {
                target: call.target,
                source: "refused".into(),
            }),
            _ => Ok(answer(503, "")),
        }
    });
    scene.until(6).await;
    assert_eq!(scene.times(HEARTBEAT), [0, 5]);
    let lines = scene.lines.starting("heartbeat");
    assert!(lines[0].starts_with("heartbeat error: POST http://platform.example.com:8080/registry/heartbeat: cannot connect"), "{lines:?}");
    assert!(lines[0].ends_with(": refused"), "{lines:?}");
    assert_eq!(lines[1], "heartbeat HTTPError 503");
    assert_eq!(scene.times(REGISTER), [0, 2, 4, 6]);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_the_token_file_is_said_once() {
    let scene = Scene::new();
    scene.write_token("volume");
    scene.set_mode(0o644);
    scene.start(|_| async { Ok(answer(200, "{}")) });
    scene.until(11).await;
    assert_eq!(scene.bearers(HEARTBEAT), some(&["volume"; 3]));
    let warnings = scene.lines.starting("warning: ");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains(".auth_token is readable by every user"),
        "{warnings:?}"
    );

    scene.write_token("two words");
    scene.until(21).await;
    assert_eq!(scene.bearers(HEARTBEAT)[3..], some(&["", ""]));
    let warnings = scene.lines.starting("warning: ");
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[1].contains("holds no valid token"), "{warnings:?}");
    assert!(!warnings[1].contains("two words"), "{warnings:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_everything_at_once() {
    let scene = Scene::new();
    scene.start(|_| async { std::future::pending::<Answer>().await });
    scene.until(3).await;
    scene.cancel.cancel();
    scene.until(200).await;
    assert_eq!(scene.times(REGISTER), [0]);
    assert_eq!(scene.times(HEARTBEAT), [0]);
}
