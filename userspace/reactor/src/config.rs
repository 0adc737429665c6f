//! What a reactor is given at start: every size and every limit, each with its default.

/// Sizes and limits of one reactor. Everything is per worker; nothing grows past what stands here.
#[derive(Debug, Clone)]
pub struct Config {
    /// Submission entries; a turn that queues more submits in between. A power of two.
    pub submissions: u32,
    /// Completion entries. More completions than this in one turn wait in the kernel, none is lost.
    pub completions: u32,
    /// Receive buffers in the pool, at most 32,768. Untouched buffers cost no memory. Streams that wait to send what they
    /// received hold up to two each: with fewer than that, they wait for each other until their deadlines.
    pub buffers_max: u16,
    /// Bytes of one receive buffer: an answer of 16 KiB and its head come in one piece.
    pub buffer_bytes: u32,
    /// Buffers that one stream may hold received and unread before its receive is paused.
    pub recv_queue_max: u16,
    /// Connections that one listener may hold accepted and untaken before its accept is paused.
    pub accept_queue_max: usize,
    /// Operations in flight at once.
    pub operations_max: u32,
    /// Timers set at once.
    pub timers_max: u32,
    /// Tasks alive at once; at this number listeners stop handing out connections until one ends.
    pub tasks_max: u32,
    /// Jobs from other threads that may wait.
    pub jobs_max: usize,
    /// Pipes for tunnels in bulk, two descriptors each; a direction that finds none goes on through buffers.
    pub pipes_max: usize,
    /// Descriptors that the process must be able to open; the soft limit is raised to it.
    pub files_min: u64,
    /// The core this reactor's thread is pinned to.
    pub cpu: Option<usize>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            submissions: 256,
            completions: 4096,
            buffers_max: 4096,
            buffer_bytes: 32 * 1024,
            recv_queue_max: 8,
            accept_queue_max: 256,
            operations_max: 1 << 20,
            timers_max: 1 << 20,
            tasks_max: 1 << 19,
            jobs_max: 1024,
            pipes_max: 128,
            files_min: 1024,
            cpu: None,
        }
    }
}
