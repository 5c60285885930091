//! A server under measurement.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use crate::http::{PLAINTEXT, Shape};
use crate::{Result, configured};

/// Who can be measured, in the order of the tables: the limit, Pivot's server example, and its peers.
pub(crate) const SERVERS: [&str; 11] = [
    "raw",
    "pivot",
    "hyper",
    "axum",
    "axum-protected",
    "actix-web",
    "ntex",
    "xitca-web",
    "may_minihttp",
    "nginx",
    "h2o",
];
/// A server that is not there after this long is broken, even under valgrind.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a server gets to notice that a connection is there, or gone.
const STEP: Duration = Duration::from_millis(1);
/// A quota that nobody reaches: each request is looked up and charged all the same.
const PLENTY: &str = "10000000/1:10000000";

/// How a server is started.
#[derive(Clone, Copy)]
pub(crate) struct Launch<'a> {
    pub(crate) name: &'a str,
    /// The program that starts it, with its arguments; none: directly.
    pub(crate) through: &'a [&'a str],
    pub(crate) workers: usize,
    /// For Pivot alone; a later option wins.
    pub(crate) options: &'a [&'a str],
}

pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    child: Child,
    /// Whether the child is strace, and the server a child of it.
    is_traced: bool,
    /// Configuration files, removed at the end.
    folder: Option<PathBuf>,
    /// What it stands in front of.
    behind: Option<Box<Server>>,
}

/// CPU time that a server has used.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) total_ns: u64,
    pub(crate) user_ticks: u64,
    pub(crate) system_ticks: u64,
}

/// Those of the servers that are installed, and a line about each that is not.
pub(crate) fn installed(names: &[&'static str]) -> (Vec<&'static str>, Vec<String>) {
    let is_missing = |name: &str| {
        let program = if name == "nginx-axum" { "nginx" } else { name };
        matches!(program, "nginx" | "h2o")
            && Command::new(program).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err()
    };
    let (missing, there): (Vec<_>, Vec<_>) = names.iter().partition(|name| is_missing(name));
    let note = |name: &&str| format!("{name} is left out: it is not installed (apt-get install {name})");
    (there, missing.iter().map(note).collect())
}

/// A loopback address for each server: two that start at one time must not be given the same port.
fn own_address() -> Ipv4Addr {
    static STARTED: AtomicU8 = AtomicU8::new(0);
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, high, low, STARTED.fetch_add(1, Ordering::Relaxed) % 250 + 2)
}

impl Server {
    /// Starts a server, and waits until it answers.
    pub(crate) fn start(launch: Launch<'_>) -> Result<Self> {
        let Launch { name, through, workers, options } = launch;
        let address = TcpListener::bind((own_address(), 0))?.local_addr()?;
        let (bench, listen, workers) = (bench_folder(), address.to_string(), workers.to_string());
        let (mut folder, mut behind) = (None, None);
        let mut line: Vec<String> = through.iter().map(|&word| word.to_owned()).collect();
        let mut push = |words: &[&str]| line.extend(words.iter().map(|&word| word.to_owned()));
        match name {
            "pivot" => {
                push(&[&text(&bench.join("../target/release/examples/server"))]);
                push(&["--listen", &listen, "--admin", "127.0.0.1:0", "--workers", &workers]);
                push(&["--rate-limit", PLENTY]);
                push(options);
            }
            "nginx" | "nginx-axum" | "h2o" => {
                let path = std::env::temp_dir().join(format!("pivot-bench-{name}-{}", address.port()));
                fs::create_dir_all(&path)?;
                let command = match name {
                    "nginx" => configured::nginx(&path, address, &workers)?,
                    "nginx-axum" => {
                        let axum = behind.insert(Box::new(Self::start(Launch { name: "axum", ..launch })?));
                        configured::nginx_in_front(&path, address, axum.address)?
                    }
                    _ => configured::h2o(&path, address, &workers)?,
                };
                line.extend(command);
                folder = Some(path);
            }
            _ => push(&[&text(&bench.join("target/release").join(name)), &listen, &workers]),
        }
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| {
            let package = if line[0] == "taskset" { "util-linux" } else { &line[0] };
            format!("{}: {error}; install it with: apt-get install {package}", line[0])
        })?;
        let mut server =
            Self { name: name.to_owned(), address, child, is_traced: line[0] == "strace", folder, behind };
        let start = Instant::now();
        while server.connect().is_err() {
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("{name} ended at once: {status} ({line:?})").into());
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("{name} does not answer ({line:?})").into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        PLAINTEXT.exchange(&mut server.connect()?, 1).map_err(|error| format!("{name}: {error}"))?;
        Ok(server)
    }

    /// One on core 1, for measurements with the load on core 0.
    pub(crate) fn start_pinned(name: &str) -> Result<Self> {
        Self::start(Launch { name, through: &["taskset", "-c", "1"], workers: 1, options: &[] })
    }

    pub(crate) fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// So many requests on one connection, in batches.
    pub(crate) fn ask(&self, shape: Shape, requests: u64, depth: usize) -> Result<()> {
        let mut stream = self.connect()?;
        for _ in 0..requests / depth as u64 {
            shape.exchange(&mut stream, depth)?;
        }
        Ok(())
    }

    /// So many requests, each on a connection of its own. Each step is a turn of its own for the server.
    pub(crate) fn ask_afresh(&self, shape: Shape, requests: u64) -> Result<()> {
        for _ in 0..requests {
            let mut stream = self.connect()?;
            std::thread::sleep(STEP);
            shape.exchange(&mut stream, 1)?;
            drop(stream);
            std::thread::sleep(STEP);
        }
        Ok(())
    }

    /// The CPU time of all its processes and their threads.
    pub(crate) fn cpu(&self) -> Result<Cpu> {
        let mut sum = Cpu::default();
        for process in self.processes() {
            for thread in fs::read_dir(format!("/proc/{process}/task"))? {
                let cpu = thread_cpu(&thread?.path())?;
                sum.total_ns += cpu.total_ns;
                sum.user_ticks += cpu.user_ticks;
                sum.system_ticks += cpu.system_ticks;
            }
        }
        Ok(sum)
    }

    /// Memory in RAM of all its processes, in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        let mut sum = 0;
        for process in self.processes() {
            let status = fs::read_to_string(format!("/proc/{process}/status"))?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
            sum += line.trim().trim_end_matches(" kB").parse::<u64>()? << 10;
        }
        Ok(sum)
    }

    /// Asks it to end, so that what watches it writes what it has counted.
    pub(crate) fn end(mut self) -> Result<()> {
        // `strace` hands no signal on, so its child is asked.
        let target = self.processes().get(usize::from(self.is_traced)).copied().unwrap_or(self.child.id());
        // h2o waits for something that never comes when it is asked by SIGTERM under valgrind.
        let signal = if self.name == "h2o" { "-INT" } else { "-TERM" };
        Command::new("kill").args([signal, &target.to_string()]).status()?;
        let start = Instant::now();
        while self.child.try_wait()?.is_none() {
            if start.elapsed() > PATIENCE {
                return Err(format!("{} does not end", self.name).into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// The process that was started and all below it, and those of what it stands in front of.
    fn processes(&self) -> Vec<u32> {
        let mut all = vec![self.child.id()];
        let mut next = 0;
        while let Some(&process) = all.get(next) {
            // A process that is gone has none.
            let children = fs::read_dir(format!("/proc/{process}/task"))
                .into_iter()
                .flatten()
                .flatten()
                .filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
            for line in children {
                all.extend(line.split_whitespace().filter_map(|word| word.parse::<u32>().ok()));
            }
            next += 1;
        }
        all.extend(self.behind.iter().flat_map(|server| server.processes()));
        all
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `end` all of it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(folder) = &self.folder {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// The CPU time of one thread, by its folder in `/proc`.
pub(crate) fn thread_cpu(task: &Path) -> Result<Cpu> {
    let schedstat = fs::read_to_string(task.join("schedstat"))?;
    let stat = fs::read_to_string(task.join("stat"))?;
    // The name, in parentheses, may hold spaces; state is the first field after it, utime the twelfth.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |index: usize| fields.get(index).and_then(|text| text.parse().ok()).ok_or("no CPU time");
    let total = schedstat.split_whitespace().next().unwrap_or_default();
    Ok(Cpu { total_ns: total.parse()?, user_ticks: field(11)?, system_ticks: field(12)? })
}

pub(crate) fn bench_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
