//! From the death of the leader to the first write that is acknowledged.

use std::time::{Duration, Instant};

use bosun_client::Client;
use bosun_proto::Object;
use bosun_proto::core_v1::{Event, ObjectReference};
use bosun_proto::meta_v1::ObjectMeta;

use crate::statistics::Sorted;
use crate::trio::Trio;

/// Kills the leader again and again; prints how long a client that knows all servers waits for its write.
pub(crate) async fn measure(trials: usize) -> anyhow::Result<()> {
    let mut trio = Trio::start().await?;
    let client = trio.client()?;
    let mut times = Vec::with_capacity(trials);
    for trial in 0..trials {
        let leader = trio.leader().await?;
        // The client is connected and has just been served.
        client
            .create(&event(&format!("before-{trial}"), ""), false)
            .await?;
        let start = Instant::now();
        trio.kill_server(leader);
        times.push(first_write(&client, trial, start).await?);
        trio.start_server(leader)?;
        trio.whole().await?;
    }
    println!(
        "failover, kill -9 of the leader to the first acknowledged write: {}",
        Sorted::new(times)
    );
    Ok(())
}

async fn first_write(client: &Client, trial: usize, start: Instant) -> anyhow::Result<Duration> {
    client
        .create(&event(&format!("after-{trial}"), ""), false)
        .await?;
    let elapsed = start.elapsed();
    println!("  trial {trial}: {elapsed:.2?}");
    Ok(elapsed)
}

/// An object that no controller acts on, with a text of any length.
pub(crate) fn event(name: &str, message: &str) -> Object {
    Event {
        metadata: Some(ObjectMeta {
            name: name.into(),
            namespace: "default".into(),
            ..ObjectMeta::default()
        }),
        involved_object: Some(ObjectReference {
            namespace: "default".into(),
            ..ObjectReference::default()
        }),
        message: message.into(),
        ..Event::default()
    }
    .into()
}
