//! Owns `bosun scale`: the number of pods of a ReplicaSet, the parallelism of a Job.

use crate::failure::UsageError;
use crate::output::terminal::print_line;
use crate::session::Session;
use crate::target::{self, Target, qualified, reference};
use anyhow::{Result, bail};
use bosun_client::PatchKind;
use bosun_proto::{Key, Kind};
use clap::Args as ClapArgs;
use serde_json::{Value, json};

/// The arguments of `scale`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  bosun scale rs/web --replicas 3")]
pub(crate) struct Args {
    /// KIND/NAME... or KIND NAME...
    #[arg(required = true, value_name = "WHAT")]
    words: Vec<String>,
    /// How many pods there shall be
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    replicas: i32,
    /// Only if there are that many now
    #[arg(long, value_name = "N")]
    current_replicas: Option<i64>,
}

/// Changes the number.
pub(crate) async fn run(session: &Session, args: Args) -> Result<()> {
    let client = session.client()?;
    for target in target::parse(&args.words)? {
        let Target::Named(kind, name) = &target else {
            return Err(UsageError::new("name the object to scale, for example rs/web").into());
        };
        let field = scaled_field(*kind)?;
        let key = Key::new(*kind, session.namespace_of(*kind), name);
        let mut patch = json!({"spec": {field: args.replicas}});
        if let Some(wanted) = args.current_replicas {
            let present = client.get(&key).await?;
            let value = present.to_json();
            let current = value
                .pointer(&format!("/spec/{field}"))
                .and_then(Value::as_i64)
                .unwrap_or(1);
            if current != wanted {
                bail!(
                    "{} has {current} and not {wanted}; nothing was changed",
                    reference(*kind, name)
                );
            }
            // So that nobody changes the number between the look and the write.
            patch["metadata"] = json!({"resourceVersion": present.metadata().resource_version});
        }
        let written = client.patch(&key, PatchKind::Merge, &patch, false).await?;
        session.warn_all(&reference(*kind, name), &written.warnings);
        print_line(&format!("{} scaled", reference(*kind, name)))?;
    }
    Ok(())
}

/// The field that says how many pods run at a time.
fn scaled_field(kind: Kind) -> Result<&'static str, UsageError> {
    match kind {
        Kind::ReplicaSet => Ok("replicas"),
        Kind::Job => Ok("parallelism"),
        Kind::Pod | Kind::CronJob | Kind::Namespace | Kind::Node | Kind::Event => {
            Err(UsageError::new(format!(
                "a {} cannot be scaled; a replicaset and a job can",
                qualified(kind)
            )))
        }
    }
}
