//! What all policies share that ask who somebody is: the fields that name the sender to the upstream.
use crate::{Consumers, Visit};
use weir_message::{Field, FieldName};

/// Prefixes of fields that only we may send to an upstream.
const OURS: [&[u8]; 3] = [b"x-consumer-", b"x-credential-", b"x-anonymous-"];

static ID: FieldName = FieldName::other("X-Consumer-ID");
static USERNAME: FieldName = FieldName::other("X-Consumer-Username");
static CUSTOM_ID: FieldName = FieldName::other("X-Consumer-Custom-ID");
static GROUPS: FieldName = FieldName::other("X-Consumer-Groups");
static ANONYMOUS: FieldName = FieldName::other("X-Anonymous-Consumer");
static CREDENTIAL: FieldName = FieldName::other("X-Credential-Identifier");

/// Makes the bearer of a verified certificate known, before any policy is asked: a credential that one of them finds may
/// name somebody else. `names` is what the certificate calls its bearer.
pub fn introduce(names: &[Box<str>], consumers: &Consumers, visit: &mut Visit<'_>) {
    visit.pass.introduced = true;
    let identity = &mut visit.pass.identity;
    (identity.consumer, identity.authenticated) = (consumers.find_by_certificate(names).cloned(), true);
    strip_identity(visit);
    write_identity(visit);
}

/// Takes away what the client has sent under names by which upstreams know who somebody is.
pub(crate) fn strip_identity(visit: &mut Visit<'_>) {
    let is_ours = |field: Field<'_>| {
        field.name.len() > 10
            && matches!(field.name.first(), Some(b'x' | b'X'))
            && OURS.iter().any(|prefix| {
                field
                    .name
                    .split_at_checked(prefix.len())
                    .is_some_and(|(start, _)| start.eq_ignore_ascii_case(prefix))
            })
    };
    if visit.request.head.iter().any(is_ours) {
        visit.request.head.remove_where(is_ours);
    }
}

/// Tells the upstream who it is. What cannot be a field's value is left out.
pub(crate) fn write_identity(visit: &mut Visit<'_>) {
    let Some(consumer) = &visit.pass.identity.consumer else { return };
    let head = &mut visit.request.head;
    // A consumer has one name, under which upstreams look for it in two places.
    let _unwritable = head.append_named(&ID, &[consumer.name.as_bytes()]);
    let _unwritable = head.append_named(&USERNAME, &[consumer.name.as_bytes()]);
    if let Some(id) = &consumer.custom_id {
        let _unwritable = head.append_named(&CUSTOM_ID, &[id.as_bytes()]);
    }
    if let Some((first, rest)) = consumer.groups.split_first() {
        let groups = &mut visit.worker.scratch;
        groups.clear();
        groups.extend_from_slice(first.as_bytes());
        for group in rest {
            groups.extend_from_slice(b", ");
            groups.extend_from_slice(group.as_bytes());
        }
        let _unwritable = head.append_named(&GROUPS, &[groups]);
    }
    if !visit.pass.identity.authenticated {
        let _unwritable = head.append_named(&ANONYMOUS, &[b"true"]);
    }
}

/// Tells the upstream which credential it was.
pub(crate) fn write_credential(id: &[u8], visit: &mut Visit<'_>) {
    let _unwritable = visit.request.head.append_named(&CREDENTIAL, &[id]);
}
