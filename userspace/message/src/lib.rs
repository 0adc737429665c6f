//! What HTTP means: head, headers, framing, hop-by-hop fields, target; HTTP/1 parsing and writing without I/O.
