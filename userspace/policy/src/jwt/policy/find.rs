//! Finds the one token of a request.
use super::{AUTHORIZATION, bearer};
use crate::Place;
use weir_message::Request;

/// What a request carries.
pub(super) enum Found<'r> {
    None,
    /// The token, and which of the configured places it stood in.
    One(&'r [u8], Option<usize>),
    Several,
}

/// RFC 6750, section 2: "Clients MUST NOT use more than one method to transmit the token in each request."
pub(super) fn find<'r>(from: &'r [Place], request: &'r Request) -> Found<'r> {
    let mut found = Found::None;
    let mut see = |token: &'r [u8], place: Option<usize>| {
        found = if matches!(found, Found::None) { Found::One(token, place) } else { Found::Several };
    };
    if from.is_empty() {
        request.head.every(AUTHORIZATION).filter_map(bearer).for_each(|token| see(token, None));
        return found;
    }
    for (index, place) in from.iter().enumerate() {
        let scheme = matches!(place, Place::Header(name) if name.eq_ignore_ascii_case("authorization"));
        for value in place.values(request) {
            match if scheme { bearer(value) } else { Some(value) } {
                None | Some([]) => {}
                Some(token) => see(token, Some(index)),
            }
        }
    }
    found
}
