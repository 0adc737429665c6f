//! A small test server: it answers each request with what it received, and does as its path says.
//!
//! | path | answer |
//! |---|---|
//! | `/status/503` | that status |
//! | `/bytes/1000` | that many bytes |
//! | `/delay/200` | after that many milliseconds |
//! | any other | 200 |
//!
//! The body describes the request: method, target, fields and the number of body bytes.

use crate::door::{Answer, Asked, Door, plain, serve};
use bytes::Bytes;
use http_body_util::Full;
use std::fmt::Write;
use std::time::Duration;

/// The largest body that `/bytes/N` makes.
pub const BYTES_MAX: usize = 64 << 20;
/// The longest time that `/delay/N` waits, in milliseconds.
pub const DELAY_MS_MAX: u64 = 60_000;

/// Serves on a bound socket until the future is dropped; `name` tells one origin from another.
pub async fn run(listener: std::net::TcpListener, name: String) -> std::io::Result<()> {
    serve(Door::bound(listener)?, async move |asked| answer(&asked, &name).await).await;
    Ok(())
}

async fn answer(asked: &Asked, name: &str) -> Answer {
    let path = asked.head.uri.path();
    let number = |prefix: &str| path.strip_prefix(prefix).and_then(|rest| rest.parse::<u64>().ok());
    if let Some(ms) = number("/delay/") {
        tokio::time::sleep(Duration::from_millis(ms.min(DELAY_MS_MAX))).await;
    }
    if let Some(length) = number("/bytes/") {
        return match usize::try_from(length) {
            Ok(length @ ..=BYTES_MAX) => Answer::new(Full::new(Bytes::from(vec![b'.'; length]))),
            _ => plain(400, "at most 64 MiB\n"),
        };
    }
    let mut answer = Answer::new(Full::new(Bytes::from(describe(asked, name))));
    if let Some(status) = number("/status/").and_then(|status| u16::try_from(status).ok())
        && let Ok(status @ 200..) = hyper::StatusCode::from_u16(status).map(|status| status.as_u16())
    {
        *answer.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    }
    answer
}

fn describe(asked: &Asked, name: &str) -> String {
    let head = &asked.head;
    let mut text = format!("origin {name} received {} bytes of body with this head:\n\n", asked.body.len());
    writeln!(text, "{} {} {:?}", head.method, head.uri, head.version).ok();
    for (field, value) in &head.headers {
        writeln!(text, "{field}: {}", value.as_bytes().escape_ascii()).ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::door::tests::ask;

    fn asked(path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nx-shown: yes\r\nconnection: close\r\n\r\n");
        crate::run(async {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = tokio::task::spawn_local(run(listener, String::from("one")));
            let answer = ask(address, &request).await;
            server.abort();
            answer
        })
        .unwrap()
    }

    #[test]
    fn it_does_as_the_path_says() {
        let plain = asked("/a?b=c");
        assert!(plain.starts_with("HTTP/1.1 200 "), "{plain}");
        assert!(
            plain.contains("origin one received 0 bytes") && plain.contains("GET /a?b=c HTTP/1.1"),
            "{plain}"
        );
        assert!(plain.contains("x-shown: yes"), "{plain}");
        assert!(asked("/status/503").starts_with("HTTP/1.1 503 "));
        assert!(asked("/bytes/10").ends_with("\r\n\r\n.........."));
        assert!(asked("/bytes/99999999999").starts_with("HTTP/1.1 400 "));
        assert!(asked("/delay/1").starts_with("HTTP/1.1 200 "));
    }
}
