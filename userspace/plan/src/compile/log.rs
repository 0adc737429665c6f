//! The access log, compiled: templates, and which header fields carry credentials.

use weir_meter::log::{Dialect, is_secret_field};
use weir_policy::Template;
use weir_schema::Config;
use weir_schema::policy::Policy;
use weir_schema::telemetry::TraceFormat;
use weir_schema::value::HashKey;

use crate::log::{AccessLog, Header, Told, Traces};

pub(super) fn access_log(config: &Config) -> Option<AccessLog> {
    let written = config.telemetry.access_log.as_ref()?;
    let header = |name: &str| Header { name: name.to_ascii_lowercase(), told: told(name, config) };
    Some(AccessLog {
        millionths: written.sample.value.millionths(),
        fields: (written.fields.iter())
            .map(|(name, template)| (plain(name), Template::compile(&template.value)))
            .collect(),
        headers: written.headers.iter().map(|name| header(&name.value)).collect(),
        flush: written.flush.value,
    })
}

pub(super) fn traces(config: &Config) -> Option<Traces> {
    let written = config.telemetry.traces.as_ref()?;
    Some(Traces {
        millionths: written.sample.value.millionths(),
        dialect: match written.format.value {
            TraceFormat::Otlp => Dialect::Otlp,
            TraceFormat::Zipkin => Dialect::Zipkin,
        },
        flush: written.flush.value,
    })
}

/// A name that needs no escaping in JSON.
fn plain(name: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    name.chars().map(|letter| if fits(letter) { letter } else { '_' }).collect()
}

/// Fields that carry credentials by their nature, or because a policy looks for one there, are only said to be there.
fn told(name: &str, config: &Config) -> Told {
    let keys = config.policies.iter().filter_map(|(_, policy)| match &policy.value {
        Policy::KeyAuth(key_auth) => Some(&key_auth.from),
        _ => None,
    });
    let carries_key =
        |place: &HashKey| matches!(place, HashKey::Header(own) if own.eq_ignore_ascii_case(name));
    if is_secret_field(name) || keys.flatten().any(|place| carries_key(&place.value)) {
        return Told::Presence;
    }
    let is_url = ["referer", "location", "content-location"].iter().any(|url| url.eq_ignore_ascii_case(name));
    if is_url { Told::Url } else { Told::Whole }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::tests::plan;

    #[test]
    fn credentials_are_covered_wherever_the_configuration_looks_for_them() {
        let plan = plan(
            "listeners: [ { name: edge, bind: 127.0.0.1:80 } ]
policies: { key: { key_auth: { from: [ header X-Tenant-Key ] } } }
routes: [ { match: /*, policies: [ key ], respond: { status: 200 } } ]
telemetry:
  access_log:
    to: stdout
    sample: 25%
    headers: [ User-Agent, Authorization, X-Tenant-Key, Referer ]
    fields: { tenant: \"{claims.tenant}\" }
",
        );
        let log = plan.access_log.unwrap();
        let told: Vec<_> = log.headers.iter().map(|header| (header.name.as_str(), header.told)).collect();
        assert_eq!(
            told,
            [
                ("user-agent", Told::Whole),
                ("authorization", Told::Presence),
                ("x-tenant-key", Told::Presence),
                ("referer", Told::Url)
            ]
        );
        assert_eq!((log.millionths, log.fields.len()), (250_000, 1));
    }
}
