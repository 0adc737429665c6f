//! Changes fields on the way to the upstream and on the way back.
use crate::Build;
use crate::template::Facts;
use crate::{Flow, Leave, Policy, Rank, Template, Visit};
use weir_message::{FieldName, Head};
use weir_schema::policy as written;
use weir_schema::{
    At,
    value::{self, HeaderName, Map},
};

/// What is done to both heads.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    /// On the way to the upstream.
    pub request: Edits,
    /// On the way back.
    pub response: Edits,
}

/// What is done to one head, in the order of the fields.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    /// Taken away.
    pub remove: Vec<FieldName>,
    /// Called differently: old name, new name.
    pub rename: Vec<(Box<str>, Box<str>)>,
    /// Written, after all others are gone or renamed.
    pub texts: Vec<(Way, FieldName, Template)>,
}

/// How a text gets into a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In place of whatever is there; an empty text takes the field away.
    Set,
    /// If there is none.
    Add,
    /// In addition to what is there.
    Append,
}

impl Headers {
    pub(crate) fn compile(written: &written::Headers, _: &mut Build<'_>) -> Option<Headers> {
        let (request, response) = (Edits::compile(&written.request), Edits::compile(&written.response));
        Some(Headers { request, response })
    }

    pub(crate) fn rank(&self) -> Rank {
        Rank::Edit
    }
}

impl Edits {
    fn compile(written: &written::HeaderEdits) -> Edits {
        let each = |way: Way, map: &Map<value::Template>| -> Vec<(Way, FieldName, Template)> {
            map.iter()
                .map(|(name, text)| (way, name.value.as_str().into(), Template::compile(&text.value)))
                .collect()
        };
        let rename = |(old, new): (&At<String>, &At<HeaderName>)| {
            (old.value.as_str().into(), new.value.0.as_str().into())
        };
        Edits {
            remove: written.remove.iter().map(|name| name.value.0.as_str().into()).collect(),
            rename: written.rename.iter().map(rename).collect(),
            texts: [
                each(Way::Set, &written.set),
                each(Way::Add, &written.add),
                each(Way::Append, &written.append),
            ]
            .concat(),
        }
    }

    fn clean(&self, head: &mut Head) {
        for name in &self.remove {
            head.remove_named(name);
        }
        for (old, new) in &self.rename {
            if head.rename(old, new).is_err() {
                head.remove(old);
            }
        }
    }
}

impl Way {
    /// A text that cannot be a field's value, because the client has put a line end into what it is made of, is
    /// treated as if there were none.
    fn write(self, name: &FieldName, text: &[u8], head: &mut Head) {
        let done = match self {
            Way::Set if text.is_empty() => {
                head.remove_named(name);
                Ok(())
            }
            _ if text.is_empty() => Ok(()),
            Way::Set => head.set_named(name, &[text]),
            Way::Add if head.has_named(name) => Ok(()),
            Way::Add | Way::Append => head.append_named(name, &[text]),
        };
        if done.is_err() && self == Way::Set {
            head.remove_named(name);
        }
    }
}

impl Policy for Headers {
    fn request(&self, visit: &mut Visit<'_>) -> Flow {
        self.request.clean(&mut visit.request.head);
        let mut text = std::mem::take(&mut visit.worker.scratch);
        for (way, name, template) in &self.request.texts {
            template.write(Facts::of_visit(visit), &mut text);
            way.write(name, &text, &mut visit.request.head);
        }
        visit.worker.scratch = text;
        Flow::Next
    }

    fn response(&self, leave: &mut Leave<'_>) {
        self.response.clean(&mut leave.response.head);
        let mut text = std::mem::take(&mut leave.worker.scratch);
        for (way, name, template) in &self.response.texts {
            template.write(Facts::of_leave(leave), &mut text);
            way.write(name, &text, &mut leave.response.head);
        }
        leave.worker.scratch = text;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Scene, sent};
    use weir_schema::value::Leaf;

    fn text(text: &str) -> Template {
        Template::compile(&weir_schema::value::Template::parse(text).unwrap())
    }

    #[test]
    fn edits_are_done_in_order() {
        let edits = Edits {
            remove: vec!["X-Gone".into()],
            rename: vec![("X-Old".into(), "X-New".into())],
            texts: vec![
                (Way::Set, "X-Where".into(), text("{scheme}://{host}{path}{query} {method} {route}")),
                (Way::Set, "X-Who".into(), text("{client.ip}/{consumer.name}/{header.X-New}")),
                (Way::Add, "X-New".into(), text("ignored")),
                (Way::Add, "X-Added".into(), text("a{{b}}")),
                (Way::Append, "X-New".into(), text("2")),
                (Way::Set, "X-Tenant".into(), text("{claims.tenant}")),
            ],
        };
        let policy = Headers { request: edits, response: Edits::default() };
        let mut scene =
            Scene::get(&[("X-Gone", "1"), ("x-old", "1"), ("X-Tenant", "forged"), ("X-Where", "w")]);
        assert_eq!(scene.status(&policy), 0);
        for (name, expect) in [
            ("X-Gone", None),
            ("X-Old", None),
            ("X-New", Some("1")),
            ("X-Where", Some("https://api.example.com/v1/orders?id=7 GET orders")),
            ("X-Who", Some("192.0.2.1//1")),
            ("X-Added", Some("a{b}")),
            ("X-Tenant", None),
        ] {
            assert_eq!(scene.field(name).as_deref(), expect, "{name}");
        }
        assert_eq!(scene.request.head.values("X-New").count(), 2);
    }

    #[test]
    fn answers_are_edited_too() {
        let response = Edits {
            remove: vec!["Server".into()],
            rename: Vec::new(),
            texts: vec![
                (Way::Set, "X-Path".into(), text("{path}")),
                (Way::Append, "Vary".into(), text("X-A")),
            ],
        };
        let policy = Headers { request: Edits::default(), response };
        let mut scene = Scene::get(&[]);
        let response = scene.answer(&policy, 200, &[("Server", "x"), ("Vary", "Accept")]);
        assert_eq!(
            sent(&response, "Server") + &sent(&response, "X-Path") + &sent(&response, "Vary"),
            "/v1/ordersAccept, X-A"
        );
    }

    #[test]
    fn a_value_that_cannot_be_written_takes_the_field_away() {
        let policy = Headers {
            request: Edits {
                texts: vec![(Way::Set, "X-Capture".into(), text("{path.id}"))],
                ..Edits::default()
            },
            response: Edits::default(),
        };
        let mut scene = Scene::get(&[("X-Capture", "old")]);
        scene.pass.capture("id", b"a\r\nX-Evil: 1");
        assert_eq!(scene.status(&policy), 0);
        assert_eq!((scene.field("X-Capture"), scene.field("X-Evil")), (None, None));
    }
}
