//! The server example as a program: N, its exits and what it says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

/// The example; built here, because for `cargo test` it is a test and no program.
fn server(arguments: &[&str]) -> Command {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let path = BUILT.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let folder = test.ancestors().nth(2).unwrap();
        let mut build = Command::new(env!("CARGO"));
        build.args([
            "build",
            "--quiet",
            "--package",
            "pivot-examples",
            "--example",
            "server",
            "--target-dir",
        ]);
        build.arg(folder.parent().unwrap()).args(folder.ends_with("release").then_some("--release"));
        assert!(build.status().unwrap().success(), "{build:?}");
        folder.join("examples/server")
    });
    let mut command = Command::new(path);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    server(arguments).output().unwrap()
}

/// Starts it at free ports; answers it, its address, and what it goes on to say.
fn start(arguments: &[&str]) -> (Child, String, BufReader<std::process::ChildStdout>) {
    let free = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let mut child = server(&[&free, arguments].concat()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned();
    (child, address, output)
}

fn interrupt(child: &Child) {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

fn ask(address: &str, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    stream
}

#[test]
fn it_says_where_it_listens_and_what_it_takes_and_drains_on_ctrl_c() {
    for backend in ["mio", "tokio"] {
        says_what_it_takes_and_drains_on_ctrl_c(backend);
    }
}

fn says_what_it_takes_and_drains_on_ctrl_c(backend: &str) {
    let (mut child, address, mut output) =
        start(&["--profile", "micro", "--workers", "1", "--backend", backend]);
    let mut slow = ask(&address, "/slow?ms=300");
    let mut said = String::new();
    while !said.contains("  total ") {
        assert!(output.read_line(&mut said).unwrap() > 0, "{said}");
    }
    assert!(said.contains("curl -i http://") && said.contains("handler futures"), "{said}");
    let mut answer = String::new();
    ask(&address, "/").read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("Hello from Pivot\n"), "{answer}");
    interrupt(&child);
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("slept\n"), "what is in flight finishes: {answer}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    output.read_to_string(&mut said).unwrap();
    assert!(said.ends_with("drained after 2 requests\n"), "{said}");
}

#[test]
fn what_keeps_it_from_starting_is_one_line_and_exit_2() {
    let (mut child, address, _output) = start(&["--profile", "standard"]);
    let hard = rlimit_hard();
    let too_many = hard.map(|hard| (hard + 1).min(1_000_000).to_string());
    let mut cases = vec![
        (vec!["--nope"], "unknown option --nope".to_owned()),
        (vec!["--listen", &address, "--admin", "127.0.0.1:0"], format!("cannot listen at {address}")),
        (vec!["--listen", "127.0.0.1:0", "--admin", &address], format!("cannot listen at {address}")),
        (vec!["--listen", "nowhere"], "cannot listen at nowhere".to_owned()),
        (vec!["--queue-max", "0"], "queue_max is 0".to_owned()),
    ];
    if let (Some(count), Some(hard)) = (&too_many, hard)
        && hard < 1_000_000
    {
        cases.push((vec!["--connections-max", count], hard.to_string()));
    }
    for (arguments, said) in cases {
        let output = run(&arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.starts_with("server: ") && error.contains(&said), "{arguments:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{arguments:?}: {error}");
    }
    interrupt(&child);
    assert!(child.wait().unwrap().success());
}

/// The hard limit of descriptors, where there is one.
fn rlimit_hard() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().ok()
}

#[test]
fn the_help_names_every_option() {
    let output = run(&["--help"]);
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().contains("--rate-limit N/SECONDS[:BURST]"));
}
