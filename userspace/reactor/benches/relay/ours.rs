//! The contestants on this reactor: as it comes, and with zero-copy sends.

use crate::Mode;
use std::io;
use std::rc::Rc;
use weir_reactor::{Config, Listen, Listener, Reactor, RecvHalf, SendHalf, Stream, pump, spawn};

/// Below this a zero-copy send costs more than the copy anywhere.
const ZERO_COPY_MIN: usize = 8192;

pub(crate) fn serve(mode: Mode, config: Config, zero_copy: bool) {
    let reactor = Reactor::new(config).unwrap();
    reactor.run(async {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), Listen::default()).unwrap();
        println!("{}", listener.local().unwrap());
        loop {
            let down = Rc::new(listener.accept().await.unwrap());
            match mode {
                Mode::Echo => copy(zero_copy, Rc::clone(&down), down),
                Mode::Relay(origin) => {
                    let up = Rc::new(Stream::connect(origin).await.unwrap());
                    copy(zero_copy, Rc::clone(&down), Rc::clone(&up));
                    copy(zero_copy, up, down);
                }
            }
        }
    });
}

fn copy(zero_copy: bool, from: Rc<Stream>, to: Rc<Stream>) {
    spawn(async move {
        let _end =
            if zero_copy { pump_zc(&from.recv, &to.send).await } else { pump(&from.recv, &to.send).await };
    });
}

async fn pump_zc(from: &RecvHalf, to: &SendHalf) -> io::Result<u64> {
    while let Some(buf) = from.recv().await? {
        if buf.len() >= ZERO_COPY_MIN {
            to.send_zc(buf).await?;
        } else {
            to.send(buf).await.0?;
        }
    }
    Ok(0)
}
