//! Settings that are obeyed outside the plan, changed while the program serves.

use crate::process::{Weir, curl, free_port, until};
use crate::reload::Load;
use libtest_mimic::{Failed, Trial};
use std::io::Write;
use std::process::Output;
use std::thread::JoinHandle;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("live::doors_answer_while_a_configuration_is_read", slow),
        Trial::test("live::doors_open_and_close", doors),
        Trial::test("live::a_door_that_cannot_be_opened_changes_nothing", taken),
        Trial::test("live::workers_come_and_go", workers),
    ]
}

/// A listener that answers with this body, and whatever else is written.
fn config(port: u16, body: &str, rest: &str) -> String {
    format!(
        "version: 1
shield: {{ mode: off }}
listeners: [ {{ name: edge, bind: \"127.0.0.1:{port}\" }} ]
routes: [ {{ name: hello, match: /*, respond: {body} }} ]
{rest}
"
    )
}

const SOCKET: &str = "admin: { socket: \"{dir}/admin.sock\" }";

/// A verb that runs beside the test.
fn begin(weir: &Weir, verb: &'static [&'static str]) -> JoinHandle<Output> {
    let socket = weir.socket();
    std::thread::spawn(move || {
        crate::process::weir().args(verb).arg("--socket").arg(socket).output().unwrap()
    })
}

fn status(weir: &Weir) -> String {
    let said = weir.ask(&["status", "-o", "json"]);
    assert!(said.status.success(), "{said:?}");
    String::from_utf8(said.stdout).unwrap()
}

/// Reading the configuration waits for a file that is a pipe, for as long as the test wants.
fn slow() -> Result<(), Failed> {
    let port = free_port();
    let weir = Weir::start(&config(port, "{ body: first }", SOCKET));
    let pipe = weir.room.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU)?;
    weir.rewrite(&config(port, "{ file: \"{dir}/pipe\" }", SOCKET));
    let reload = begin(&weir, &["reload", "--wait"]);
    until("the reload has begun", || status(&weir).contains("\"reloading\": true"));
    // Everything that is quick is answered; whatever is to be compiled waits for its turn.
    for verb in
        [&["status"][..], &["upstream", "list"], &["certs", "list"], &["generations"], &["shield", "bans"]]
    {
        let said = weir.ask(verb);
        assert!(said.status.success(), "{verb:?}: {said:?}");
    }
    weir.signal("HUP");
    weir.signal("HUP");
    let second = begin(&weir, &["reload", "--wait"]);
    assert_eq!(curl(&[&format!("http://127.0.0.1:{port}/")]), (200, "first".to_owned()));
    assert!(status(&weir).contains("\"generation\": 1"));
    // Two signals are one reload; each reads the pipe to its end.
    for (generation, body) in [(2, "second"), (3, "third"), (4, "fourth")] {
        std::fs::OpenOptions::new().write(true).open(&pipe)?.write_all(body.as_bytes())?;
        until(body, || status(&weir).contains(&format!("\"generation\": {generation}")));
        assert_eq!(curl(&[&format!("http://127.0.0.1:{port}/")]), (200, body.to_owned()));
    }
    until("nobody waits for a turn", || status(&weir).contains("\"reloading\": false"));
    for reload in [reload, second] {
        let said = reload.join().map_err(|_| "the verb could not run")?;
        assert!(said.status.success(), "{said:?}");
    }
    Ok(())
}

fn doors() -> Result<(), Failed> {
    let (port, one, two, admin) = (free_port(), free_port(), free_port(), free_port());
    let metrics = |port: u16, path: &str| {
        format!("telemetry: {{ metrics: {{ bind: \"127.0.0.1:{port}\", path: {path} }} }}\n")
    };
    let weir = Weir::start(&config(port, "{ body: hi }", &(metrics(one, "/metrics") + SOCKET)));
    let get = |port: u16, path: &str| curl(&[&format!("http://127.0.0.1:{port}{path}")]).0;
    assert_eq!((get(one, "/metrics"), get(two, "/numbers"), get(admin, "/v1/status")), (200, 0, 0));
    let token = "0123456789abcdef0123";
    let opened = format!(
        "admin: {{ socket: \"{{dir}}/other.sock\", bind: \"127.0.0.1:{admin}\", tokens: [ {{ name: a, token: {token} }} ] }}"
    );
    weir.rewrite(&config(port, "{ body: hi }", &(metrics(two, "/numbers") + &opened)));
    let taken = weir.ask(&["reload", "--wait"]);
    assert!(taken.status.success(), "--wait follows the socket: {taken:?}");
    until("the old address is closed", || get(one, "/metrics") == 0);
    assert_eq!((get(two, "/numbers"), get(two, "/metrics"), get(two, "/healthz")), (200, 404, 200));
    assert_eq!(get(admin, "/v1/status"), 401);
    let bearer = format!("authorization: Bearer {token}");
    assert_eq!(curl(&["-H", &bearer, &format!("http://127.0.0.1:{admin}/v1/status")]).0, 200);
    assert!(!weir.socket().exists() && !weir.ask(&["status"]).status.success(), "the old socket is gone");
    // And back again, asked at the new one.
    weir.rewrite(&config(port, "{ body: hi }", SOCKET));
    let other = weir.room.path().join("other.sock");
    let back = crate::process::weir().args(["reload", "--wait", "--socket"]).arg(&other).output()?;
    assert!(back.status.success(), "{back:?}");
    assert!(weir.ask(&["status"]).status.success() && !other.exists());
    until("both addresses are closed", || get(two, "/healthz") == 0 && get(admin, "/v1/status") == 0);
    Ok(())
}

fn taken() -> Result<(), Failed> {
    let port = free_port();
    let weir = Weir::start(&config(port, "{ body: first }", SOCKET));
    let holder = std::net::TcpListener::bind("127.0.0.1:0")?;
    let held = holder.local_addr()?;
    let rest = format!("telemetry: {{ metrics: \"{held}\" }}\n{SOCKET}");
    weir.rewrite(&config(port, "{ body: second }", &rest));
    let refused = weir.ask(&["reload"]);
    assert_eq!(refused.status.code(), Some(78), "{refused:?}");
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(words.contains(&format!("the address of the metrics {held}")), "{words}");
    assert_eq!(curl(&[&format!("http://127.0.0.1:{port}/")]), (200, "first".to_owned()));
    assert!(status(&weir).contains("\"generation\": 1"));
    Ok(())
}

/// How many of its threads have a name that begins so.
fn threads(weir: &Weir, begin: &str) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", weir.process())).unwrap().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.starts_with(begin)).count()
}

fn workers() -> Result<(), Failed> {
    let cores = std::thread::available_parallelism()?.get();
    let port = free_port();
    let with = |workers: usize| {
        config(port, "{ body: first }", &format!("limits: {{ workers: {workers} }}\n{SOCKET}"))
    };
    let weir = Weir::start(&with(1));
    let load = Load::start(port);
    let mut fds = 0;
    for round in 0..3 {
        for count in [cores, 1] {
            weir.rewrite(&with(count));
            let taken = weir.ask(&["reload", "--wait"]);
            assert!(taken.status.success(), "{taken:?}");
            assert!(status(&weir).contains(&format!("\"workers\": {count}")), "{}", status(&weir));
            let before = load.answered();
            until("requests go on", || load.answered() > before + 100);
        }
        until("workers that are not needed end", || threads(&weir, "weir-") == 1);
        if round == 0 {
            fds = weir.descriptors();
        }
    }
    load.stop();
    until("no socket is left over", || weir.descriptors() <= fds);
    let other = crate::process::weir().args(["diff", "--socket"]).arg(weir.socket()).output()?;
    assert_eq!(other.status.code(), Some(0), "{other:?}");
    Ok(())
}
