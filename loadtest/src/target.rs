//! Where a flood may go: to an address inside a network namespace on this host, over a veth pair, nowhere else.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::net::IpAddr;
use std::process::Command;

/// Namespaces made for tests and demonstrations begin with this.
const PREFIX: &str = "weir-";

/// Fails unless `address` belongs to the namespace and packets to it leave over a veth interface.
pub(crate) fn confine(namespace: &str, address: IpAddr) -> Result<()> {
    ensure!(
        namespace.starts_with(PREFIX),
        "refused: floods go only into namespaces whose names begin with \"{PREFIX}\", not \"{namespace}\""
    );
    let addresses = ip(&["-n", namespace, "-j", "addr"])?;
    let inside = flatten(&addresses, "addr_info").any(|one| text(one, "local") == Some(&address.to_string()));
    ensure!(inside, "refused: {address} is not an address inside the namespace {namespace}");
    let route = ip(&["-j", "route", "get", &address.to_string()])?;
    let Some(device) = route.get(0).and_then(|route| text(route, "dev")) else {
        bail!("refused: there is no route to {address}");
    };
    let link = ip(&["-j", "-d", "link", "show", "dev", device])?;
    let kind = link.get(0).and_then(|link| link.pointer("/linkinfo/info_kind")).and_then(Value::as_str);
    ensure!(
        kind == Some("veth"),
        "refused: packets to {address} would leave over {device}, which is no veth"
    );
    Ok(())
}

fn flatten<'a>(list: &'a Value, key: &'a str) -> impl Iterator<Item = &'a Value> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(move |item| item.get(key)?.as_array()).flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

fn ip(arguments: &[&str]) -> Result<Value> {
    let output = Command::new("ip").args(arguments).output().context("ip (package iproute2) is needed")?;
    let words = arguments.join(" ");
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {words}: {}", said.trim());
    serde_json::from_slice(&output.stdout).with_context(|| format!("ip {words} did not print JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_outside_a_namespace_of_ours_is_refused() {
        let check = |namespace: &str, says: &str| {
            let error = confine(namespace, IpAddr::from([127, 0, 0, 1])).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        };
        check("production", "begin with \"weir-\"");
        check("weir-does-not-exist", "weir-does-not-exist");
    }
}
