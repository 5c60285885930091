//! A protected server: `cargo run --release --example server`, then `curl -i http://127.0.0.1:8080/`.
#![allow(clippy::print_stdout, reason = "a program that people start by hand says what it does")]

mod options;

use std::process::ExitCode;

use options::{Backend, Options};
use pivot_std::mio::{self, Drive, ServerOn, drain_on_signals};
use pivot_std::tokio;

fn main() -> ExitCode {
    match serve() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(cut_count) => {
            eprintln!("server: the end of the drain cut off {cut_count} connections");
            ExitCode::from(3)
        }
        Err(error) => {
            eprintln!("server: {error}");
            ExitCode::from(2)
        }
    }
}

fn serve() -> Result<u64, String> {
    let Some(options) = options::parse(std::env::args().skip(1))? else {
        print!("{}", options::HELP);
        return Ok(0);
    };
    match options.backend {
        Backend::Mio => serve_on::<mio::Thread>(options),
        Backend::Tokio => serve_on::<tokio::Runtime>(options),
    }
}

fn serve_on<D: Drive>(options: Options) -> Result<u64, String> {
    let text = |error: pivot_std::Error| error.to_string();
    let server = ServerOn::<D>::bind(&options.listen, options.config).map_err(text)?;
    let server = server.admin(&options.admin).map_err(text)?;
    let server = if options.commit_memory { server.commit_memory() } else { server };
    drain_on_signals(server.monitor()).map_err(text)?;
    let address = server.local_address();
    println!(
        "Pivot serves http://{address}/ with profile {} and {} workers",
        options.profile, options.config.workers
    );
    if let Some(admin) = server.admin_address() {
        println!("  metrics and health: http://{admin}/metrics and /health, /livez, /readyz");
    }
    println!("  try: curl -i http://{address}/users/7     end: Ctrl-C");
    let server =
        server.on_start(|budget| println!("All the memory it will ever take for requests:\n{budget}"));
    let ended = server.run(|| pivot_examples::app(pivot_std::thread_cpu_time)).map_err(text)?;
    println!("drained after {} requests", ended.totals.requests);
    Ok(ended.cut_count)
}
