//! Small numbers that name the parts of one plan: dense, so that a worker keeps its state about them in arrays.

macro_rules! ids {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $name(pub u32);

            impl $name {
                /// As a place in an array.
                #[must_use]
                pub const fn index(self) -> usize {
                    self.0 as usize
                }
            }
        )+
    };
}

ids! {
    /// A listener: its place in `Plan::listeners`.
    ListenerId,
    /// A route: its place in the router, which is the order written.
    RouteId,
    /// An upstream: its place in `Plan::upstreams`.
    UpstreamId,
}
