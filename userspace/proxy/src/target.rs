//! Which target of an upstream gets a request.
use crate::upstream::Pool;
use std::net::Ipv6Addr;
use weir_message::Request;
use weir_plan::{
    balance::{Draw, State},
    hash::digest,
    id::ListenerId,
    router::Ask,
};
use weir_policy::Pass;
use weir_schema::value::HashKey;

/// The targets that a request has tried already. Those beyond the first 64 are not remembered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tried(u64);

impl Tried {
    pub(crate) fn insert(&mut self, target: usize) {
        self.0 |= bit(target);
    }

    fn contains(self, target: usize) -> bool {
        self.0 & bit(target) != 0
    }
}

fn bit(target: usize) -> u64 {
    u32::try_from(target).ok().and_then(|target| 1_u64.checked_shl(target)).unwrap_or(0)
}

/// What a choice is made from.
pub(crate) struct Wish<'a> {
    pub(crate) request: &'a Request,
    pub(crate) client: Ipv6Addr,
    pub(crate) route: &'a str,
    pub(crate) pass: &'a Pass,
    pub(crate) random: u64,
}

/// Chooses a target, or none if none may be used.
pub(crate) fn pick(pool: &Pool, wish: &Wish<'_>, tried: Tried) -> Option<usize> {
    let balance = &pool.upstream.balance;
    let draw = match balance.draw() {
        Draw::Count => pool.turn(),
        Draw::Random => wish.random,
        Draw::Hash(keys) => hash(keys, wish),
    };
    balance.pick(draw, &Usable { pool, tried, any: false }).or_else(|| {
        // With every target left out for failing, asking one is better than asking none.
        balance.pick(draw, &Usable { pool, tried, any: true })
    })
}

struct Usable<'a> {
    pool: &'a Pool,
    tried: Tried,
    any: bool,
}

impl State for Usable<'_> {
    fn is_usable(&self, target: usize) -> bool {
        !self.tried.contains(target) && (self.any || self.pool.is_well(target))
    }

    fn load(&self, target: usize) -> u32 {
        self.pool.load(target)
    }

    fn total(&self) -> u32 {
        self.pool.total()
    }
}

/// The first key that the request has; at last the client's address.
fn hash(keys: &[HashKey], wish: &Wish<'_>) -> u64 {
    let found = keys.iter().find_map(|key| one(key, wish));
    found.unwrap_or_else(|| digest(&wish.client.octets()))
}

fn one(key: &HashKey, wish: &Wish<'_>) -> Option<u64> {
    let request = wish.request;
    let ask =
        Ask { request, listener: ListenerId::default(), client: wish.client, sni: None, identity: None };
    match key {
        HashKey::Ip => Some(digest(&wish.client.octets())),
        HashKey::Consumer => {
            wish.pass.identity.consumer.as_ref().map(|consumer| digest(consumer.name.as_bytes()))
        }
        HashKey::Path => Some(digest(request.path().as_bytes())),
        HashKey::Host => Some(digest(request.host().as_bytes())),
        HashKey::Route => Some(digest(wish.route.as_bytes())),
        HashKey::Header(name) => request.head.value(name).map(digest),
        HashKey::Cookie(name) => ask.cookies(name).next().map(digest),
        HashKey::Query(name) => ask.parameters(name).next().map(digest),
        HashKey::Claim(_) => None,
    }
}
