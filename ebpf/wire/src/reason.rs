//! Why something was refused, by which stage, and how much that stage may do.

/// Declares [`Reason`] from one table, so that number, name and stage cannot disagree.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal, $stage:ident;)*) => {
        /// Every refusal that counts or can ban, in packets and in requests alike.
        ///
        /// Numbers are stable: they index counters that outlive the process. Packets use 1–63, requests 64 and up.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Reason { $($(#[$doc])* $name = $number,)* }

        impl Reason {
            /// Every reason, in the order of the numbers.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// The name in snake_case, as it appears in metrics, logs and configuration.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$name => $text,)* }
            }

            /// The stage that refuses for this reason.
            #[must_use]
            pub const fn stage(self) -> Stage {
                match self { $(Reason::$name => Stage::$stage,)* }
            }

            /// The reason with this number, if there is one.
            #[must_use]
            pub const fn find(number: u8) -> Option<Reason> {
                match number { $($number => Some(Reason::$name),)* _ => None }
            }
        }
    };
}

reasons! {
    /// The frame ends inside a header.
    Truncated = 1, "truncated", Malformed;
    /// A third VLAN tag.
    VlanDepth = 2, "vlan_depth", Malformed;
    /// The version nibble contradicts the EtherType.
    IpVersion = 3, "ip_version", Malformed;
    /// An IPv4 header shorter than 20 bytes.
    IpHeader = 4, "ip_header", Malformed;
    /// A datagram length shorter than its headers or longer than the frame.
    IpLength = 5, "ip_length", Malformed;
    /// More IPv6 extension headers than the parser follows.
    ExtensionDepth = 6, "extension_depth", Malformed;
    /// A TCP data offset below five words or past the datagram.
    TcpHeader = 7, "tcp_header", Malformed;
    /// A UDP length below its header or past the datagram.
    UdpLength = 8, "udp_length", Malformed;
    /// A first fragment without its transport header, or a second one that overwrites it.
    FragmentTiny = 9, "fragment_tiny", Malformed;
    /// A fragment that ends past 65,535 bytes or is no multiple of eight.
    FragmentBad = 10, "fragment_bad", Malformed;
    /// A later fragment, where the configuration refuses them.
    FragmentLate = 11, "fragment_late", Malformed;
    /// Source equals destination, address and port.
    Land = 12, "land", Malformed;
    /// TCP flags that no stack sends.
    TcpFlags = 13, "tcp_flags", Malformed;
    /// Port zero where a port is needed.
    PortZero = 14, "port_zero", Malformed;
    /// A source address that cannot be one: multicast, broadcast, loopback, v4-mapped.
    SourceInvalid = 15, "source_invalid", Malformed;

    /// The source is banned.
    Banned = 20, "banned", Ban;
    /// The source stands on the deny list.
    DenyList = 24, "deny_list", Deny;
    /// The port is closed by policy.
    PortClosed = 28, "port_closed", Port;
    /// A connection attempt while the listener has no room and cookies are impossible.
    SynOverload = 32, "syn_overload", SynGuard;
    /// An acknowledgement that carries no valid SYN cookie.
    CookieInvalid = 33, "cookie_invalid", SynGuard;

    /// More packets per second than one source may send.
    SourcePackets = 40, "source_packets", Limit;
    /// More bytes per second than one source may send.
    SourceBytes = 41, "source_bytes", Limit;
    /// More new TCP connections per second than one source may open.
    SourceConnections = 42, "source_connections", Limit;
    /// More UDP packets per second than one source may send.
    SourceUdp = 43, "source_udp", Limit;
    /// More ICMP packets per second than one source may send.
    SourceIcmp = 44, "source_icmp", Limit;
    /// More packets per second than one prefix may send.
    PrefixPackets = 45, "prefix_packets", Limit;
    /// More bytes per second than one prefix may send.
    PrefixBytes = 46, "prefix_bytes", Limit;
    /// More new TCP connections per second than one prefix may open.
    PrefixConnections = 47, "prefix_connections", Limit;
    /// More UDP packets per second than one prefix may send.
    PrefixUdp = 48, "prefix_udp", Limit;
    /// More ICMP packets per second than one prefix may send.
    PrefixIcmp = 49, "prefix_icmp", Limit;
    /// More packets per second than the port takes in total.
    PortPackets = 50, "port_packets", Limit;
    /// More bytes per second than the port takes in total.
    PortBytes = 51, "port_bytes", Limit;
    /// More new TCP connections per second than the port takes in total.
    PortConnections = 52, "port_connections", Limit;

    /// A request whose framing is ambiguous or broken.
    BadFraming = 64, "bad_framing", Request;
    /// A credential that is absent, forged or expired.
    BadToken = 65, "bad_token", Request;
    /// A request over a rate limit or quota.
    OverLimit = 66, "over_limit", Request;
    /// A request that a policy denies.
    Denied = 67, "denied", Request;
    /// HTTP/2 frames that cost more than they carry.
    H2Abuse = 68, "h2_abuse", Request;
    /// TLS handshakes begun and not finished.
    HandshakeAbuse = 69, "handshake_abuse", Request;
    /// Headers or body that arrive too slowly.
    SlowClient = 70, "slow_client", Request;
    /// A head or a body over its size limit.
    TooLarge = 71, "too_large", Request;
    /// Banned by an operator's command.
    Operator = 72, "operator", Request;
}

impl Reason {
    /// Numbers below this are packet reasons and index the kernel's counters.
    pub const PACKET_MAX: u8 = 64;
}

/// The stages a packet passes, in order; requests have one of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Stage {
    /// Frames that no honest stack sends.
    Malformed = 0,
    /// Sources that pass whatever follows.
    Allow = 1,
    /// Sources refused until a time.
    Ban = 2,
    /// Sources refused by list.
    Deny = 3,
    /// Ports open, closed, protected or limited.
    Port = 4,
    /// SYN cookies and the acknowledgements that answer them.
    SynGuard = 5,
    /// Rates per source, prefix and port.
    Limit = 6,
    /// Judged in user space, on connections and requests.
    Request = 7,
}

impl Stage {
    /// Every stage, in the order packets meet them.
    pub const ALL: [Stage; 8] = [
        Stage::Malformed,
        Stage::Allow,
        Stage::Ban,
        Stage::Deny,
        Stage::Port,
        Stage::SynGuard,
        Stage::Limit,
        Stage::Request,
    ];

    /// The name in snake_case, as it appears in metrics, logs and configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Stage::Malformed => "malformed",
            Stage::Allow => "allow",
            Stage::Ban => "ban",
            Stage::Deny => "deny",
            Stage::Port => "port",
            Stage::SynGuard => "syn_guard",
            Stage::Limit => "limit",
            Stage::Request => "request",
        }
    }
}

/// How much a stage may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Mode {
    /// The stage is skipped.
    #[default]
    Off = 0,
    /// The stage counts what it would refuse, and passes it.
    Observe = 1,
    /// The stage refuses.
    Enforce = 2,
}

impl Mode {
    /// The mode with this number; an unknown number is `Off`.
    #[must_use]
    pub const fn from_number(number: u8) -> Mode {
        match number {
            1 => Mode::Observe,
            2 => Mode::Enforce,
            _ => Mode::Off,
        }
    }

    /// The name, as it appears in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Mode::Off => "off",
            Mode::Observe => "observe",
            Mode::Enforce => "enforce",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Reason, Stage};

    #[test]
    fn numbers_are_unique_and_found_again() {
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(Reason::find(*reason as u8), Some(*reason));
            assert!(Reason::ALL[index + 1..].iter().all(|other| (*other as u8) > (*reason as u8)));
        }
        assert_eq!(Reason::find(0), None);
        assert_eq!(Reason::find(255), None);
    }

    #[test]
    fn packet_reasons_stay_below_the_counters_end() {
        for reason in Reason::ALL {
            let packet = reason.stage() != Stage::Request;
            assert_eq!((*reason as u8) < Reason::PACKET_MAX, packet, "{}", reason.as_str());
        }
    }

    #[test]
    fn names_are_unique_snake_case() {
        for (index, reason) in Reason::ALL.iter().enumerate() {
            let name = reason.as_str();
            assert!(
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            );
            assert!(Reason::ALL[index + 1..].iter().all(|other| other.as_str() != name));
        }
    }
}
