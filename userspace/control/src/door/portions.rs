//! A stream that is written to in portions.
//!
//! The page of a scraper has more than a megabyte. The kernel copies and delivers all that it is given before it lets go of the
//! processor, and a worker that has become ready meanwhile waits for that. Between two portions it need not.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most that is written at once, in bytes: some ten microseconds of the kernel's time.
const PORTION: usize = 32 << 10;

/// The stream.
pub(super) struct Portions<S>(pub(super) S);

impl<S: AsyncRead + Unpin> AsyncRead for Portions<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Portions<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf.get(..PORTION).unwrap_or(buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, &portion(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// What these slices begin with.
fn portion<'a>(bufs: &'a [IoSlice<'_>]) -> Vec<IoSlice<'a>> {
    let mut left = PORTION;
    let mut cut = Vec::new();
    for buf in bufs {
        if left == 0 {
            break;
        }
        let part = buf.get(..left).unwrap_or(buf);
        left -= part.len();
        cut.push(IoSlice::new(part));
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_written_than_a_portion() {
        let check = |lengths: &[usize], expect: &[usize]| {
            let bytes = vec![7; 2 * PORTION];
            let bufs: Vec<IoSlice<'_>> =
                lengths.iter().map(|length| IoSlice::new(&bytes[..*length])).collect();
            let lengths: Vec<usize> = portion(&bufs).iter().map(|part| part.len()).collect();
            assert_eq!(lengths, expect);
        };
        check(&[], &[]);
        check(&[200], &[200]);
        check(&[200, 0, 300], &[200, 0, 300]);
        check(&[200, 2 * PORTION], &[200, PORTION - 200]);
        check(&[2 * PORTION, 200], &[PORTION]);
        check(&[PORTION, 200], &[PORTION]);
    }

    #[test]
    fn a_long_page_arrives_whole() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let page: Vec<u8> = (0..=250_u8).cycle().take(10 * PORTION + 77).collect();
        let sent = page.clone();
        let read = crate::run(async move {
            let (one, mut other) = tokio::io::duplex(4 * PORTION);
            tokio::task::spawn_local(async move {
                let mut stream = Portions(one);
                assert_eq!(stream.write(&sent).await.unwrap(), PORTION, "and the rest later");
                stream.write_all(&sent[PORTION..]).await.unwrap();
            });
            let mut read = Vec::new();
            other.read_to_end(&mut read).await.unwrap();
            read
        });
        assert!(read.unwrap() == page);
    }
}
