//! nginx and h2o: the servers that take a configuration instead of a program.
//!
//! They answer with fixed text. Logs are off, and a connection may stay as long and ask as often as it likes.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use crate::Result;
use crate::http::{JSON, PLAINTEXT};

/// Writes nginx's configuration, and answers the command that starts it.
pub(crate) fn nginx(folder: &Path, address: SocketAddr, workers: &str) -> Result<Vec<String>> {
    let (path, hello) = (folder.display(), PLAINTEXT.content.trim_end());
    // With one worker the process serves by itself, so that there is one process to count.
    let master = if workers == "1" { "off" } else { "on" };
    let shares_port = if workers == "1" { "" } else { " reuseport" };
    let user = if is_root() { "user root;" } else { "" };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("    {name}_temp_path {path}/{name};\n"))
        .collect();
    let text = format!(
        r#"daemon off;
master_process {master};
worker_processes {workers};
{user}
pid {path}/pid;
error_log {path}/error.log crit;
events {{
    worker_connections 32768;
}}
http {{
{temporary}    access_log off;
    keepalive_timeout 3600s;
    keepalive_requests 1000000000;
    tcp_nodelay on;
    server {{
        listen {address} backlog=4096{shares_port};
        location = / {{
            default_type "text/plain; charset=utf-8";
            return 200 "{hello}\n";
        }}
        location ~ ^/users/(\d+)$ {{
            default_type application/json;
            return 200 '{{"id":$1,"name":"user $1"}}';
        }}
    }}
}}
"#
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, text)?;
    let words =
        ["nginx", "-p", &path.to_string(), "-e", &format!("{path}/error.log"), "-c"].map(str::to_owned);
    Ok(words.into_iter().chain([file.display().to_string()]).collect())
}

/// Writes h2o's configuration and the files that it serves, and answers the command that starts it.
pub(crate) fn h2o(folder: &Path, address: SocketAddr, workers: &str) -> Result<Vec<String>> {
    let path = folder.display();
    let user = if is_root() { "user: root" } else { "" };
    let text = format!(
        r#"{user}
num-threads: {workers}
max-connections: 32768
http1-request-timeout: 3600
error-log: {path}/error.log
file.etag: OFF
file.mime.settypes:
  "text/plain; charset=utf-8": ".txt"
  "application/json": ".json"
listen:
  host: {}
  port: {}
hosts:
  default:
    paths:
      "/users/7":
        file.file: {path}/user.json
      "/":
        file.file: {path}/hello.txt
"#,
        address.ip(),
        address.port()
    );
    let file = folder.join("h2o.conf");
    fs::write(&file, text)?;
    fs::write(folder.join("hello.txt"), PLAINTEXT.content)?;
    fs::write(folder.join("user.json"), JSON.content)?;
    Ok(vec!["h2o".to_owned(), "-c".to_owned(), file.display().to_string()])
}

/// Servers that start as root want to be told that they may stay it.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
