//! What a client repeats, what it resumes, and what it does not, against a scripted server.

use crate::scripted_server::{Answer, client, pod};
use crate::{ApiError, Query, Step};
use bosun_proto::{Key, Kind, Object};
use tonic::Status;

fn pods() -> Query {
    Query::new(Kind::Pod, "default")
}

fn name(object: &Object) -> String {
    object.metadata().name.clone()
}

#[tokio::test(start_paused = true)]
async fn a_watch_resumes_after_the_last_change_it_delivered() {
    let (client, script) = client(vec![
        Answer::Events(vec![("a", "5")], Some(Status::unavailable("going down"))),
        Answer::Refused(Status::unavailable("no leader")),
        Answer::Events(vec![("b", "6")], None),
        Answer::Events(vec![("c", "8")], None),
    ]);
    let mut watch = client.watch(pods(), "3");
    for expected in ["a", "b", "c"] {
        assert_eq!(name(&watch.next().await.unwrap().object), expected);
    }
    assert_eq!(watch.resource_version(), "8");
    assert_eq!(script.take_asked(), "watch 3, watch 5, watch 5, watch 6");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_too_old_says_so_at_once() {
    let (client, script) = client(vec![Answer::Refused(Status::out_of_range("compacted"))]);
    let error = client.watch(pods(), "3").next().await.unwrap_err();
    assert!(matches!(error, ApiError::TooOld { resource_version } if resource_version == "3"));
    assert_eq!(script.take_asked(), "watch 3");
}

#[tokio::test(start_paused = true)]
async fn following_lists_again_when_the_watch_is_too_old() {
    let (client, script) = client(vec![
        Answer::Page(vec![("a", "1"), ("b", "2")], ""),
        Answer::Refused(Status::out_of_range("compacted")),
        Answer::Page(vec![("b", "7"), ("c", "8")], ""),
        Answer::Events(vec![("c", "10")], None),
    ]);
    let mut follow = client.follow(pods());
    let mut told = Vec::new();
    for _ in 0..7 {
        told.push(match follow.next().await.unwrap() {
            Step::CaughtUp => "caught up".to_owned(),
            Step::Change(change) => format!("{:?} {}", change.kind, name(&change.object)),
        });
    }
    assert_eq!(
        told.join(", "),
        "Added a, Added b, caught up, Deleted a, Modified b, Added c, Modified c"
    );
    assert_eq!(script.take_asked(), "list \"\", watch 9, list \"\", watch 9");
}

#[tokio::test(start_paused = true)]
async fn pages_are_joined_and_an_outdated_page_begins_the_list_anew() {
    let (client, script) = client(vec![
        Answer::Page(vec![("a", "1")], "next"),
        Answer::Refused(Status::out_of_range("compacted")),
        Answer::Page(vec![("a", "1")], "other"),
        Answer::Page(vec![("b", "2")], ""),
    ]);
    let list = client.list(&pods()).await.unwrap();
    assert_eq!(list.items.iter().map(name).collect::<String>(), "ab");
    assert_eq!(
        script.take_asked(),
        "list \"\", list \"next\", list \"\", list \"other\""
    );
}

#[tokio::test(start_paused = true)]
async fn reads_are_repeated_and_writes_too_each_under_an_id_of_its_own() {
    let (client, script) = client(vec![
        Answer::Refused(Status::deadline_exceeded("slow")),
        Answer::Object(pod("a", "1")),
        Answer::Refused(Status::unavailable("no leader")),
        Answer::Refused(Status::deadline_exceeded("slow")),
        Answer::Object(pod("b", "2")),
        Answer::Object(pod("c", "3")),
    ]);
    let found = client.get(&Key::new(Kind::Pod, "default", "a")).await.unwrap();
    assert_eq!(name(&found), "a");
    assert_eq!(script.take_asked(), "get a, get a");
    client.create(&pod("b", ""), false).await.unwrap();
    client.create(&pod("c", ""), false).await.unwrap();
    assert_eq!(script.take_asked(), "create, create, create, create");
    let ids = script.ids.lock().unwrap().clone();
    assert!(
        ids[0] == ids[1] && ids[1] == ids[2] && ids[2] != ids[3],
        "{ids:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_cut_within_the_present_state_begins_anew() {
    let (client, script) = client(vec![
        // Of three objects only two arrived, the second of which is the newest of all.
        Answer::Events(
            vec![("a", ""), ("b", "")],
            Some(Status::unavailable("going down")),
        ),
        Answer::Events(vec![("a", ""), ("b", ""), ("c", "9")], None),
        Answer::Events(vec![("d", "10")], None),
    ]);
    let mut watch = client.watch(pods(), "");
    for expected in ["a", "b", "a", "b", "c", "d"] {
        assert_eq!(name(&watch.next().await.unwrap().object), expected);
    }
    assert_eq!(script.take_asked(), "watch , watch , watch 9");
}

#[tokio::test(start_paused = true)]
async fn patience_ends() {
    let refusals = (0..100).map(|_| Answer::Refused(Status::unavailable("no leader")));
    let (client, script) = client(refusals.collect());
    let error = client
        .get(&Key::new(Kind::Pod, "default", "a"))
        .await
        .unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert!(script.take_asked().matches("get a").count() < 10);
}
