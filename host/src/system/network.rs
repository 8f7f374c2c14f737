//! Sockets of the machine: TCP here, local ones beside.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use async_trait::async_trait;
use tokio::net::{TcpListener, TcpStream};

use super::local_socket;
use crate::{ByteStream, Connection, Listener, LocalListener, Network};

/// Real sockets. Nagle's algorithm is off: every message here waits for an answer.
pub(crate) struct SystemNetwork;

#[async_trait]
impl Network for SystemNetwork {
    async fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listener>> {
        let name = |error: io::Error| {
            let hint = match error.kind() {
                io::ErrorKind::AddrInUse => "; another program listens there: stop it, or give another port",
                io::ErrorKind::PermissionDenied => {
                    "; give a port above 1023, or run with the right to take this one"
                }
                _ => "",
            };
            io::Error::new(error.kind(), format!("cannot listen on {address}: {error}{hint}"))
        };
        let listener = TcpListener::bind(address).await.map_err(name)?;
        let address = listener.local_addr()?;
        Ok(Box::new(SystemListener { listener, address }))
    }

    async fn connect(&self, address: &str) -> io::Result<Connection> {
        let name =
            |error: io::Error| io::Error::new(error.kind(), format!("cannot connect to {address}: {error}"));
        let stream = TcpStream::connect(address).await.map_err(name)?;
        stream.set_nodelay(true)?;
        let peer = stream.peer_addr()?;
        Ok(Connection::new(stream, peer))
    }

    async fn listen_local(&self, path: &Path) -> io::Result<Box<dyn LocalListener>> {
        local_socket::listen(path)
    }

    async fn connect_local(&self, path: &Path) -> io::Result<Box<dyn ByteStream>> {
        local_socket::connect(path).await
    }
}

struct SystemListener {
    listener: TcpListener,
    address: SocketAddr,
}

#[async_trait]
impl Listener for SystemListener {
    async fn accept(&self) -> io::Result<Connection> {
        let (stream, peer) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(Connection::new(stream, peer))
    }

    fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn bytes_cross_a_loopback_connection_and_a_taken_port_is_named() {
        let listener = SystemNetwork
            .listen("127.0.0.1:0".parse().unwrap())
            .await
            .unwrap();
        let address = listener.address();
        let mut near = SystemNetwork.connect(&address.to_string()).await.unwrap();
        let mut far = listener.accept().await.unwrap();
        near.write_all(b"ahoy").await.unwrap();
        let mut buffer = [0_u8; 4];
        far.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"ahoy");
        let refusal = SystemNetwork.listen(address).await.err().unwrap();
        assert_eq!(refusal.kind(), io::ErrorKind::AddrInUse);
        assert!(refusal.to_string().contains(&address.to_string()), "{refusal}");
    }
}
