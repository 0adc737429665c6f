//! The limit on open files, and how many connections it leaves room for.

use crate::failure::{NO_PERMISSION, failure};
use anyhow::Result;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use weir_schema::Config;

/// Each client has a connection, and so may its request.
const PER_CONNECTION: u64 = 2;
/// Kept for what is opened beside connections: the operator's doors, files that are read, logs.
const RESERVE: u64 = 256;
/// However low the limit is set while the program runs, so many connections are tried.
const ROOM_MIN: u64 = 16;

/// Raises the limit to what the connections of the configuration need, as far as the system lets it. A number of connections
/// that somebody has written is a promise: one that cannot be kept is refused.
pub(crate) fn raise(config: &Config) -> Result<()> {
    let connections = &config.limits.connections;
    let need = u64::from(connections.value) * PER_CONNECTION + RESERVE;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if hard < need && connections.span.is_written() {
        return Err(failure(
            NO_PERMISSION,
            format!(
                "`limits.connections: {}` needs {need} open files and this process may have {hard}; raise its limit \
                 (LimitNOFILE= in the unit, ulimit -Hn), or allow {} connections",
                connections.value,
                room_in(hard)
            ),
        ));
    }
    let wanted = need.min(hard);
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?;
    }
    if hard < need {
        let room = room_in(hard);
        tracing::warn!(
            "this process may have {hard} open files: {room} connections at once in place of {}; LimitNOFILE= raises it",
            connections.value
        );
    }
    Ok(())
}

/// The connections of clients for which there is room by the limit of this moment.
pub(crate) fn room() -> u32 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(u32::MAX, |(soft, _)| room_in(soft))
}

fn room_in(files: u64) -> u32 {
    let room = files.saturating_sub(RESERVE) / PER_CONNECTION;
    u32::try_from(room.max(ROOM_MIN)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_what_is_not_reserved_is_room() {
        assert_eq!([0, 256, 1024, 200_256].map(room_in), [16, 16, 384, 100_000]);
        assert_eq!(room_in(u64::MAX), u32::MAX);
    }
}
