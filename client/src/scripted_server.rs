//! A server that answers by a script and writes down what it was asked; for tests of everything that repeats and resumes.
//! Real gRPC, over pipes in memory.

use crate::{Client, Patience};
use async_trait::async_trait;
use bosun_host::{Connection, Host, Listener, Network};
use bosun_proto::api::objects_server::{Objects, ObjectsServer};
use bosun_proto::{Object, api, core_v1, meta_v1};
use futures::stream::{self, BoxStream, StreamExt as _};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

/// Bytes that may be under way in a pipe.
const PIPE_BYTES: usize = 64 << 10;

/// One scripted answer.
pub(crate) enum Answer {
    /// An object, for get and create.
    Object(Object),
    /// A page: names and versions of its pods, the token of the next one.
    Page(Vec<(&'static str, &'static str)>, &'static str),
    /// A stream of pod events (name, version), ended by a status if there is one.
    Events(Vec<(&'static str, &'static str)>, Option<Status>),
    /// A refusal.
    Refused(Status),
}

/// The script and the questions.
#[derive(Default)]
pub(crate) struct Script {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<String>>,
    /// The ids of the writes.
    pub(crate) ids: Mutex<Vec<String>>,
}

impl Script {
    /// What was asked since this was last called.
    pub(crate) fn take_asked(&self) -> String {
        std::mem::take(&mut *self.asked.lock().unwrap()).join(", ")
    }

    fn answer(&self, question: String) -> Result<Answer, Status> {
        self.asked.lock().unwrap().push(question);
        match self.answers.lock().unwrap().pop_front() {
            Some(Answer::Refused(status)) => Err(status),
            Some(answer) => Ok(answer),
            None => Err(Status::internal("the script is at its end")),
        }
    }
}

/// A pod of that name at that version.
pub(crate) fn pod(name: &str, version: &str) -> Object {
    let metadata = meta_v1::ObjectMeta {
        name: name.into(),
        namespace: "default".into(),
        uid: name.into(),
        resource_version: version.into(),
        ..Default::default()
    };
    Object::from(core_v1::Pod {
        metadata: Some(metadata),
        ..Default::default()
    })
}

/// A client of a server with that script.
pub(crate) fn client(answers: Vec<Answer>) -> (Client, Arc<Script>) {
    let script = Arc::new(Script {
        answers: Mutex::new(answers.into()),
        ..Script::default()
    });
    let (sender, mut receiver) = mpsc::channel::<DuplexStream>(8);
    let incoming = stream::poll_fn(move |context| receiver.poll_recv(context)).map(Ok::<_, io::Error>);
    let service = ObjectsServer::new(Service(Arc::clone(&script)));
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(incoming),
    );
    let host = Host {
        network: Arc::new(Pipes(sender)),
        ..Host::system()
    };
    let client = Client::new(&host, &["scripted:1".to_owned()]).unwrap();
    (client.with_patience(Patience(Duration::from_secs(1))), script)
}

/// A network whose every connection leads to the server.
struct Pipes(mpsc::Sender<DuplexStream>);

#[async_trait]
impl Network for Pipes {
    async fn listen(&self, _: SocketAddr) -> io::Result<Box<dyn Listener>> {
        Err(io::Error::other("not needed here"))
    }

    async fn connect(&self, _: &str) -> io::Result<Connection> {
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        self.0.send(far).await.map_err(io::Error::other)?;
        Ok(Connection::new(near, ([127, 0, 0, 1], 1).into()))
    }
}

struct Service(Arc<Script>);

#[async_trait]
impl Objects for Service {
    type WatchStream = BoxStream<'static, Result<api::WatchEvent, Status>>;
    type LogsStream = BoxStream<'static, Result<api::LogChunk, Status>>;

    async fn get(&self, request: Request<api::GetRequest>) -> Result<Response<api::Object>, Status> {
        match self.0.answer(format!("get {}", request.into_inner().name))? {
            Answer::Object(object) => Ok(Response::new(object.into_wire())),
            _ => Err(Status::internal("the script has another answer here")),
        }
    }

    async fn list(&self, request: Request<api::ListRequest>) -> Result<Response<api::ListResponse>, Status> {
        match self
            .0
            .answer(format!("list {:?}", request.into_inner().r#continue))?
        {
            Answer::Page(pods, token) => Ok(Response::new(api::ListResponse {
                items: pods
                    .iter()
                    .map(|(name, version)| pod(name, version).into_wire())
                    .collect(),
                resource_version: "9".into(),
                r#continue: token.into(),
                remaining_item_count: 0,
            })),
            _ => Err(Status::internal("the script has another answer here")),
        }
    }

    async fn watch(
        &self,
        request: Request<api::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        match self
            .0
            .answer(format!("watch {}", request.into_inner().resource_version))?
        {
            Answer::Events(events, end) => {
                let events = events.into_iter().map(|(name, version)| {
                    Ok(api::WatchEvent {
                        r#type: api::watch_event::Type::Modified.into(),
                        object: Some(pod(name, version).into_wire()),
                        resource_version: version.into(),
                    })
                });
                Ok(Response::new(stream::iter(events.chain(end.map(Err))).boxed()))
            }
            _ => Err(Status::internal("the script has another answer here")),
        }
    }

    async fn create(
        &self,
        request: Request<api::CreateRequest>,
    ) -> Result<Response<api::WriteResponse>, Status> {
        let id = request.metadata().get("bosun-request-id");
        let id = id.expect("every write has an id").to_str().unwrap();
        self.0.ids.lock().unwrap().push(id.to_owned());
        match self.0.answer("create".to_owned())? {
            Answer::Object(object) => Ok(Response::new(api::WriteResponse {
                object: Some(object.into_wire()),
                warnings: Vec::new(),
            })),
            _ => Err(Status::internal("the script has another answer here")),
        }
    }

    async fn update(&self, _: Request<api::UpdateRequest>) -> Result<Response<api::WriteResponse>, Status> {
        Err(Status::unimplemented("update"))
    }

    async fn update_status(
        &self,
        _: Request<api::UpdateRequest>,
    ) -> Result<Response<api::WriteResponse>, Status> {
        Err(Status::unimplemented("update status"))
    }

    async fn patch(&self, _: Request<api::PatchRequest>) -> Result<Response<api::WriteResponse>, Status> {
        Err(Status::unimplemented("patch"))
    }

    async fn delete(&self, _: Request<api::DeleteRequest>) -> Result<Response<api::DeleteResponse>, Status> {
        Err(Status::unimplemented("delete"))
    }

    async fn logs(&self, _: Request<api::LogsRequest>) -> Result<Response<Self::LogsStream>, Status> {
        Err(Status::unimplemented("logs"))
    }
}
