//! The contestants on other runtimes: tokio over epoll, and tokio-uring as it comes and with the flags that help it.

use crate::Mode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) fn tokio(mode: Mode) {
    let runtime = ::tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let local = ::tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        loop {
            let (down, _) = listener.accept().await.unwrap();
            down.set_nodelay(true).unwrap();
            let (down_recv, down_send) = down.into_split();
            match mode {
                Mode::Echo => drop(::tokio::task::spawn_local(copy(down_recv, down_send))),
                Mode::Relay(origin) => {
                    let up = TcpStream::connect(origin).await.unwrap();
                    up.set_nodelay(true).unwrap();
                    let (up_recv, up_send) = up.into_split();
                    drop(::tokio::task::spawn_local(copy(down_recv, up_send)));
                    drop(::tokio::task::spawn_local(copy(up_recv, down_send)));
                }
            }
        }
    });
}

async fn copy(mut from: tokio::net::tcp::OwnedReadHalf, mut to: tokio::net::tcp::OwnedWriteHalf) {
    let mut buffer = vec![0; 4096];
    while let Ok(n) = from.read(&mut buffer).await {
        if n == 0 || to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

pub(crate) fn tokio_uring(mode: Mode, tuned: bool) {
    let mut ring = tokio_uring::uring_builder();
    if tuned {
        ring.setup_coop_taskrun().setup_single_issuer();
    }
    tokio_uring::builder().entries(256).uring_builder(&ring).start(async {
        let listener = tokio_uring::net::TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        println!("{}", listener.local_addr().unwrap());
        loop {
            let (down, _) = listener.accept().await.unwrap();
            down.set_nodelay(true).unwrap();
            let down = std::rc::Rc::new(down);
            match mode {
                Mode::Echo => drop(tokio_uring::spawn(copy_owned(std::rc::Rc::clone(&down), down))),
                Mode::Relay(origin) => {
                    let up = tokio_uring::net::TcpStream::connect(origin).await.unwrap();
                    up.set_nodelay(true).unwrap();
                    let up = std::rc::Rc::new(up);
                    drop(tokio_uring::spawn(copy_owned(std::rc::Rc::clone(&down), std::rc::Rc::clone(&up))));
                    drop(tokio_uring::spawn(copy_owned(up, down)));
                }
            }
        }
    });
}

type Shared = std::rc::Rc<tokio_uring::net::TcpStream>;

async fn copy_owned(from: Shared, to: Shared) {
    use tokio_uring::buf::BoundedBuf;
    let mut buffer = vec![0; 4096];
    loop {
        let (read, filled) = from.read(buffer).await;
        let Ok(n @ 1..) = read else { return };
        let (written, filled) = to.write_all(filled.slice(..n)).await;
        if written.is_err() {
            return;
        }
        buffer = filled.into_inner();
    }
}
