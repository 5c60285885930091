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
    let hello = PLAINTEXT.content.trim_end();
    let shares_port = if workers == "1" { "" } else { " reuseport" };
    let servers = format!(
        r#"    server {{
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
"#
    );
    start_nginx(folder, workers, &servers)
}

/// The same for nginx as the protection of a server behind it: so many requests at one time and no more, on connections
/// that are kept, and what a client does not wait for any longer is not waited for.
pub(crate) fn nginx_in_front(folder: &Path, address: SocketAddr, behind: SocketAddr) -> Result<Vec<String>> {
    let servers = format!(
        r#"    limit_conn_zone $server_name zone=all:1m;
    upstream behind {{
        server {behind} max_fails=0;
        keepalive {FRONT_MAX};
        keepalive_requests 1000000000;
        keepalive_timeout 3600s;
    }}
    server {{
        listen {address} backlog=4096;
        # Requests whose key is empty would not be counted.
        server_name all;
        location / {{
            limit_conn all {FRONT_MAX};
            limit_conn_status 503;
            proxy_pass http://behind;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_read_timeout 1s;
            proxy_next_upstream off;
        }}
    }}
"#
    );
    start_nginx(folder, "1", &servers)
}

/// Requests that nginx lets through at one time: they are answered within half of what a client waits.
const FRONT_MAX: usize = 64;

fn start_nginx(folder: &Path, workers: &str, servers: &str) -> Result<Vec<String>> {
    let path = folder.display();
    // With one worker the process serves by itself, so that there is one process to count.
    let master = if workers == "1" { "off" } else { "on" };
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
{servers}}}
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
