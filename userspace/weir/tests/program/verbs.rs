//! The command line as scripts meet it: shapes, exit codes, and what to do next.

use crate::process::{Weir, free_port, weir};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Output, Stdio};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("verbs::targets_are_steered", targets),
        Trial::test("verbs::every_answer_says_its_format", formats),
        Trial::test("verbs::each_answer_keeps_its_shape", shapes),
        Trial::test("verbs::what_is_told_is_told_to_programs_too", outputs),
        Trial::test("verbs::keys_are_hashed_as_the_configuration_takes_them", hash_key),
        Trial::test("verbs::tokens_are_looked_into", jwt),
        Trial::test("verbs::a_program_that_does_not_answer_is_waited_for", waiting),
        Trial::test("verbs::completions_and_manual_pages_name_every_verb", manual),
        Trial::test("verbs::nobody_reads_and_the_verb_ends", unread),
        Trial::test("verbs::what_is_wrong_with_the_wish_is_said_first", wishes),
    ]
}

fn config(port: u16) -> String {
    format!(
        "version: 1
shield: {{ mode: off }}
listeners: [ {{ name: edge, bind: \"127.0.0.1:{port}\" }} ]
routes: [ {{ name: on, match: {{ path: /* }}, upstream: api }} ]
upstreams: {{ api: {{ targets: [ 127.0.0.1:1, 127.0.0.1:2 ] }} }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
"
    )
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn targets() -> Result<(), Failed> {
    let running = Weir::start(&config(free_port()));
    let head = "UPSTREAM             TARGET                       STATE    WEIGHT\n";
    let check = |verb: &[&str], one: &str, two: &str| {
        let expect = format!(
            "{head}api                  127.0.0.1:1                  {one}\napi                  127.0.0.1:2                  {two}\n"
        );
        assert_eq!(printed(&running.ask(verb)), expect, "{verb:?}");
    };
    check(&["upstream", "list"], "up            1", "up            1");
    check(&["upstream", "drain", "api", "127.0.0.1:1"], "drained       1", "up            1");
    check(&["upstream", "weight", "api", "127.0.0.1:2", "7"], "drained       1", "up            7 (set)");
    check(&["upstream", "weight", "api", "127.0.0.1:2"], "drained       1", "up            1");
    check(&["upstream", "undrain", "api", "127.0.0.1:1"], "up            1", "up            1");
    let refused = running.ask(&["upstream", "drain", "api", "127.0.0.1:3"]);
    let words = String::from_utf8(refused.stderr)?;
    assert!(!refused.status.success() && words.contains("127.0.0.1:1"), "it names what there is: {words}");
    Ok(())
}

fn formats() -> Result<(), Failed> {
    let running = Weir::start(&config(free_port()));
    let fields = |verb: &[&str]| {
        let text = printed(&running.ask(&[verb, &["-o", "json"]].concat()));
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["format"], 1, "{verb:?}: {text}");
        value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(fields(&["upstream", "list"]), "format upstreams");
    assert_eq!(fields(&["certs", "list"]), "certificates format refused");
    assert_eq!(fields(&["shield", "bans"]), "format items");
    assert_eq!(fields(&["shield", "status"]), "format state why");
    let status = fields(&["status"]);
    for field in ["generation", "listeners", "reloads", "shield", "state", "version", "workers"] {
        assert!(status.split(' ').any(|have| have == field), "{field} in {status}");
    }
    Ok(())
}

/// Each field of a document and of what it holds, with the kind of its value; of a list, the first item.
pub(crate) fn shape(value: &Value, path: &str, lines: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                shape(value, &format!("{path}.{name}"), lines);
            }
        }
        Value::Array(items) => match items.first() {
            Some(first) => shape(first, &format!("{path}[]"), lines),
            None => lines.push(format!("{path}[]")),
        },
        Value::String(_) => lines.push(format!("{path} text")),
        Value::Number(_) => lines.push(format!("{path} number")),
        Value::Bool(_) => lines.push(format!("{path} boolean")),
        Value::Null => lines.push(format!("{path} nothing")),
    }
}

/// What programs read: a field that goes away or changes its kind breaks them, so `format` must rise with it.
fn shapes() -> Result<(), Failed> {
    let port = free_port();
    let running = Weir::start(&config(port));
    let room = tempfile::tempdir()?;
    let secured = rcgen::generate_simple_self_signed(vec![String::from("a.test")])?;
    let file = |name: &str, text: &str| {
        std::fs::write(room.path().join(name), text).unwrap();
        room.path().join(name).display().to_string()
    };
    let (certificate, key) =
        (file("a.pem", &secured.cert.pem()), file("a.key", &secured.signing_key.serialize_pem()));
    let tls = format!("127.0.0.1:{port}\", tls: {{ certificate: \"{certificate}\", key: \"{key}\" }}");
    let written = config(port).replace(&format!("127.0.0.1:{port}\""), &tls);
    running.rewrite(&written);
    let file = running.room.path().join("weir.yaml").display().to_string();
    let mut lines = Vec::new();
    let mut note = |name: &str, text: &str| {
        let value: Value =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}: {text}"));
        assert_eq!(value["format"], 1, "{name}: {text}");
        shape(&value, name, &mut lines);
    };
    let asked =
        |verb: &[&str]| String::from_utf8(running.ask(&[verb, &["-o", "json"]].concat()).stdout).unwrap();
    assert!(running.ask(&["shield", "ban", "198.51.100.7", "--for", "10m"]).status.success());
    note("diff", &asked(&["diff"]));
    for (name, verb) in [
        ("reload", &["reload", "--wait"][..]),
        ("status", &["status"]),
        ("generations", &["generations"]),
        ("upstream list", &["upstream", "list"]),
        ("upstream drain", &["upstream", "drain", "api", "127.0.0.1:1"]),
        ("upstream undrain", &["upstream", "undrain", "api", "127.0.0.1:1"]),
        ("upstream weight", &["upstream", "weight", "api", "127.0.0.1:2", "7"]),
        ("certs list", &["certs", "list"]),
        ("shield status", &["shield", "status"]),
        ("shield bans", &["shield", "bans"]),
        ("shield ban", &["shield", "ban", "198.51.100.8", "--for", "10m"]),
        ("shield unban", &["shield", "unban", "198.51.100.8"]),
        ("shield explain", &["shield", "explain", "198.51.100.8"]),
        ("apply", &["apply", &file, "--confirm", "5m"]),
        ("confirm", &["confirm"]),
        ("rollback", &["rollback"]),
    ] {
        note(name, &asked(verb));
    }
    let alone = |verb: &[&str]| {
        String::from_utf8(weir().args(verb).args(["-o", "json"]).output().unwrap().stdout).unwrap()
    };
    note("trace", &alone(&["trace", "GET", &format!("https://a.test:{port}/x"), "-c", &file]));
    note("explain", &alone(&["explain", "E0103"]));
    note("explain key", &alone(&["explain", "shield.per_source.packets"]));
    note("explain all", &alone(&["explain"]));
    note("shield detach", &alone(&["shield", "detach", "--pins", "/nonexistent/weir"]));
    note("jwt inspect", &printed(&fed(&["jwt", "inspect", "-o", "json"], A_TOKEN)));
    note("validate", &alone(&["validate", "-c", &file]));
    let bad = room.path().join("bad.yaml");
    std::fs::write(&bad, written.replace("bind: \"127.0.0.1:", "bnid: \"127.0.0.1:") + "routes: []\n")?;
    note("validate a bad file", &alone(&["validate", "-c", bad.to_str().ok_or("a path")?]));
    note("doctor", &alone(&["doctor", "-c", &file]));
    note("hash-key", &printed(&fed(&["hash-key", "--new", "-o", "json"], "")));
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/verbs/shapes.txt");
    let found = lines.join("\n") + "\n";
    if std::env::var_os("WEIR_BLESS").is_some() {
        std::fs::write(&golden, &found)?;
    }
    assert_eq!(found, std::fs::read_to_string(golden)?, "WEIR_BLESS=1 accepts these shapes");
    Ok(())
}

/// Verbs whose output is a document of its own kind, or that serve.
const WITHOUT_OUTPUT: [&str; 10] =
    ["run", "demo", "fmt", "render", "schema", "init", "respond", "completions", "man", "help"];

/// Every verb that tells something tells it as JSON, too.
fn outputs() -> Result<(), Failed> {
    let verbs = |of: &[&str]| -> Vec<String> {
        let help = printed(&weir().args(of).arg("--help").output().unwrap());
        let list = help.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
        let list = list.take_while(|line| line.starts_with("  "));
        let own =
            list.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
        own.map(str::to_owned).filter(|verb| verb != "help").collect()
    };
    let mut seen = 0;
    for verb in verbs(&[]) {
        let below = verbs(&[&verb]);
        let leaves: Vec<Vec<&str>> = match below.is_empty() {
            true => vec![vec![&verb]],
            false => below.iter().map(|sub| vec![&*verb, &**sub]).collect(),
        };
        for leaf in leaves.iter().filter(|leaf| !WITHOUT_OUTPUT.contains(&leaf[0])) {
            let help = printed(&weir().args(leaf).arg("--help").output()?);
            assert!(help.contains("-o, --output <"), "{leaf:?} has no -o:\n{help}");
            seen += 1;
        }
    }
    assert!(seen >= 20, "only {seen} verbs were found");
    Ok(())
}

/// Runs a verb that reads standard input.
fn fed(arguments: &[&str], input: &str) -> Output {
    let mut command = weir();
    let child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn hash_key() -> Result<(), Failed> {
    // FIPS 180-2, appendix B.1.
    let hash = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert!(printed(&fed(&["hash-key"], "abc\n")).contains(hash));
    let made: Value = serde_json::from_str(&printed(&fed(&["hash-key", "--new", "-o", "json"], "")))?;
    let key = made["key"].as_str().ok_or("a key")?;
    assert_eq!(key.len(), 64);
    assert!(printed(&fed(&["hash-key"], key)).contains(made["hash"].as_str().ok_or("a hash")?));
    let long = "k".repeat(65_537);
    for (input, says) in [("", "standard input"), (long.as_str(), "longer than 65536")] {
        let refused = fed(&["hash-key"], input);
        assert_eq!(refused.status.code(), Some(2));
        assert!(String::from_utf8(refused.stderr)?.contains(says));
    }
    Ok(())
}

/// RFC 7515, appendix A.1.
const A_TOKEN: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn jwt() -> Result<(), Failed> {
    let token = A_TOKEN;
    let told: Value = serde_json::from_str(&printed(&fed(&["jwt", "inspect", "-o", "json"], token)))?;
    assert_eq!((&told["header"]["alg"], &told["claims"]["iss"]), (&"HS256".into(), &"joe".into()));
    assert_eq!(told["times"]["expires"], "Tue, 22 Mar 2011 18:43:00 GMT");
    assert_eq!(told["verified"], false);
    let cut = fed(&["jwt", "inspect"], "eyJ0eXAi.secretpart");
    let words = String::from_utf8(cut.stderr)?;
    assert!(cut.status.code() == Some(2) && words.contains("copy all of it"), "{words}");
    assert!(!words.contains("secretpart"), "a token is not shown: {words}");
    Ok(())
}

fn waiting() -> Result<(), Failed> {
    let nowhere = ["status", "--wait=1s", "--socket", "/nonexistent/admin.sock"];
    let begun = std::time::Instant::now();
    let output = weir().args(nowhere).output()?;
    assert_eq!(output.status.code(), Some(3), "the code of LSB for a service that does not run");
    assert!(begun.elapsed() >= std::time::Duration::from_secs(1));
    assert!(String::from_utf8(output.stderr)?.contains("is it running"));
    Ok(())
}

fn manual() -> Result<(), Failed> {
    let help = printed(&weir().arg("--help").output()?);
    let verbs: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .filter(|verb| {
            verb.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-') && *verb != "help"
        })
        .collect();
    assert!(verbs.len() > 15, "{verbs:?}");
    let room = tempfile::tempdir()?;
    printed(&weir().arg("man").arg(room.path()).output()?);
    let words = printed(&weir().args(["completions", "bash"]).output()?);
    for verb in verbs.into_iter().filter(|verb| !verb.starts_with('-')) {
        assert!(words.contains(verb), "{verb}");
        assert!(room.path().join(format!("weir-{verb}.1")).exists(), "a page for {verb}");
    }
    Ok(())
}

/// In a pipeline the reader may have enough: that is no error of the verb.
fn unread() -> Result<(), Failed> {
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    let output = weir().arg("explain").stdout(writer).spawn()?.wait_with_output()?;
    assert_eq!(output.status.signal(), Some(13), "{output:?}");
    Ok(())
}

fn wishes() -> Result<(), Failed> {
    let room = tempfile::tempdir()?;
    let file = room.path().join("weir.yaml");
    let file = file.to_str().ok_or("a path")?;
    let check = |arguments: &[&str], code: i32, says: &[&str]| {
        let output = weir().args(arguments).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {words}");
        says.iter().for_each(|says| assert!(words.contains(says), "{says} is not in {words}"));
    };
    check(&["init", file], 0, &[]);
    check(&["init", file], 78, &["it is there already, and is kept", "`-` to print it"]);
    // The first file names a certificate that is not here.
    check(&["validate", "-c", file], 1, &["--offline leaves that alone"]);
    check(&["validate", "--offline", "-c", file], 0, &[]);
    assert_eq!(printed(&fed(&["fmt", "-"], "version:   1\n")), "version: 1\n");
    check(&["fmt", "/nonexistent"], 78, &["`-` for standard input"]);
    check(&["respond", "--bind", "192.0.2.254:1"], 69, &["another address with --bind"]);
    // Whatever is pinned is removed; files of somebody's are not.
    let directory = room.path().to_str().ok_or("a path")?;
    check(&["shield", "detach", "--pins", directory], 78, &["no directory of a bpffs", "--pins"]);
    assert!(std::path::Path::new(file).exists());
    check(&["trace", "GET", "a.test/", "-c", file], 2, &["`a.test/` is no URL"]);
    Ok(())
}
