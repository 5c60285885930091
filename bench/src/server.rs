//! A server under measurement.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;

/// Who is measured; `pivot` is the server example.
pub(crate) const SERVERS: [&str; 2] = ["pivot", "hyper"];
/// A server that is not there after this long is broken, even under valgrind.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) address: String,
    child: Child,
}

impl Server {
    /// Starts a server by way of another program, and waits until it answers.
    pub(crate) fn start(name: &str, through: &[&str]) -> Result<Self> {
        let name = SERVERS.into_iter().find(|known| *known == name).ok_or("no such server")?;
        let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
        let address = free_address()?;
        let (path, arguments) = if name == "pivot" {
            let path = bench.join("../target/release/examples/server");
            (path, vec!["--listen", address.as_str(), "--admin", "127.0.0.1:0", "--workers", "1"])
        } else {
            (bench.join("target/release").join(name), vec![address.as_str()])
        };
        let mut command = Command::new(through[0]);
        command.args(&through[1..]).arg(path).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| {
            format!("{}: {error}; install it: apt-get install valgrind util-linux", through[0])
        })?;
        let mut server = Self { name, address, child };
        let start = Instant::now();
        while server.connect().is_err() {
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("{name} ended at once: {status}").into());
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("{name} does not answer").into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    pub(crate) fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// CPU time of all its threads, user and system, in nanoseconds.
    pub(crate) fn cpu_ns(&self) -> Result<u64> {
        let mut sum = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            sum += text.split_whitespace().next().unwrap_or("0").parse::<u64>()?;
        }
        Ok(sum)
    }

    /// Ends it by SIGTERM, so that callgrind writes what it has counted.
    pub(crate) fn end(mut self) -> Result<()> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `end` it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
