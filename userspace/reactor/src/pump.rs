//! Moving bytes from one stream to another, for tunnels. Received buffers are sent as they are: user space copies
//! nothing, and one buffer at most is on its way, so a slow receiver holds the sender back.

use crate::stream::{RecvHalf, SendHalf};
use std::io;

/// Moves everything until `from` ends, then ends `to`. Returns the number of bytes.
///
/// # Errors
/// What receiving, sending or ending says.
pub async fn pump(from: &RecvHalf, to: &SendHalf) -> io::Result<u64> {
    let mut moved = 0;
    while let Some(buf) = from.recv().await? {
        moved += buf.len() as u64;
        to.send(buf).await.0?;
    }
    to.shutdown().await?;
    Ok(moved)
}
