//! The contestant on this reactor.

use crate::Mode;
use std::rc::Rc;
use weir_reactor::{Config, Listen, Listener, Reactor, Stream, pump, spawn};

pub(crate) fn serve(mode: Mode) {
    let reactor = Reactor::new(Config::default()).unwrap();
    reactor.run(async {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), Listen::default()).unwrap();
        println!("{}", listener.local().unwrap());
        loop {
            let down = listener.accept().await.unwrap();
            match mode {
                Mode::Echo => spawn(async move {
                    let _end = pump(&down.recv, &down.send).await;
                }),
                Mode::Relay(origin) => {
                    let up = Rc::new(Stream::connect(origin).await.unwrap());
                    let down = Rc::new(down);
                    let (up2, down2) = (Rc::clone(&up), Rc::clone(&down));
                    spawn(async move {
                        let _end = pump(&down.recv, &up.send).await;
                    });
                    spawn(async move {
                        let _end = pump(&up2.recv, &down2.send).await;
                    });
                }
            }
        }
    });
}
