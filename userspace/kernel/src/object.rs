//! The XDP object that this build carries, and what can be read from it without a kernel.

use std::collections::BTreeMap;

use aya_obj::generated::bpf_map_type;

use crate::Error;
use crate::bpf::Shape;

/// The object, as the build chose it.
pub(crate) static BYTES: &[u8] = aya::include_bytes_aligned!(env!("WEIR_BPF_OBJECT"));

/// Where the object came from: `fresh` if it was built in this checkout, `prebuilt` if it is the committed one.
pub const ORIGIN: &str = env!("WEIR_BPF_ORIGIN");

/// The SHA-256 of the object, in hexadecimal.
pub(crate) const HASH: &str = env!("WEIR_BPF_HASH");

/// The tables that the object declares, without its own sections of constants.
pub(crate) fn tables() -> Result<BTreeMap<String, Shape>, Error> {
    let object = aya_obj::Object::parse(BYTES).map_err(|error| broken(&error.to_string()))?;
    let named = object.maps.iter().filter(|(name, _)| !name.starts_with('.'));
    Ok(named.map(|(name, map)| (name.clone(), shape(map))).collect())
}

/// The flags of the maps inside a map of maps: one that takes its place must have the same.
pub(crate) fn inner_flags(outer: &str) -> Result<u32, Error> {
    let object = aya_obj::Object::parse(BYTES).map_err(|error| broken(&error.to_string()))?;
    let inner = object.maps.get(outer).and_then(aya_obj::Map::inner);
    inner.map(|map| map.map_flags()).ok_or_else(|| broken(&format!("it has no map of maps {outer}")))
}

pub(crate) fn broken(why: &str) -> Error {
    Error::unavailable(
        "read the XDP object inside weir",
        why,
        "this build of weir is broken: install it again",
    )
}

fn shape(map: &aya_obj::Map) -> Shape {
    let is_outer = [bpf_map_type::BPF_MAP_TYPE_ARRAY_OF_MAPS, bpf_map_type::BPF_MAP_TYPE_HASH_OF_MAPS]
        .into_iter()
        .any(|kind| kind as u32 == map.map_type());
    Shape {
        kind: map.map_type(),
        key: map.key_size(),
        // The kernel keeps four bytes for a map inside a map, whatever the object says.
        value: if is_outer { 4 } else { map.value_size() },
        entries_max: map.max_entries(),
        flags: map.map_flags(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_wire::table;

    #[test]
    fn the_object_declares_the_tables_that_wire_names() {
        let tables = tables().unwrap();
        for name in [table::RULES, table::LISTS, table::LINES, table::BANS, table::COUNTS, table::EVENTS] {
            assert!(tables.contains_key(name), "{name} is not among {:?}", tables.keys());
        }
        let bans = tables[table::BANS];
        assert_eq!((bans.key, bans.value, bans.entries_max), (8, 16, table::BANS_MAX));
    }
}
