//! The difference of two plans as the admin interface tells it.

use serde_json::{Value, json};
use weir_plan::diff::{Change, Diff, Fate};

/// A difference for programs, and under `text` for people.
pub(crate) fn told(diff: &Diff) -> Value {
    json!({
        "differs": !diff.is_empty(),
        "summary": diff.summary(),
        "changes": diff.changes.iter().map(change).collect::<Vec<_>>(),
        "text": diff.to_string(),
    })
}

fn change(change: &Change) -> Value {
    let settings = change
        .leaves
        .iter()
        .map(|leaf| json!({ "path": leaf.path, "before": leaf.before, "after": leaf.after }));
    json!({
        "part": change.part.as_str(),
        "name": change.name,
        "fate": match change.fate {
            Fate::Added => "added",
            Fate::Removed => "removed",
            Fate::Changed => "changed",
        },
        "effect": change.effect,
        "settings": settings.collect::<Vec<_>>(),
        "takes_a_restart": change.at_start().map(|leaf| leaf.path.as_str()).collect::<Vec<_>>(),
    })
}
