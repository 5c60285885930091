//! Running other programs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The repository's top folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// The cargo that runs us, started at the top folder.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// A program that finds its own toolchain: nothing of ours leaks into it.
pub(crate) fn plain(program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO") && text != "CARGO_HOME"
            || text.starts_with("RUSTUP_TOOLCHAIN")
            || text == "RUSTC"
        {
            command.env_remove(name);
        }
    }
    command
}

/// Runs with all output shown.
pub(crate) fn shown(command: &mut Command) -> Result<String, String> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(String::new()) } else { Err(format!("{command:?} ended with {status}")) }
}

/// Runs with all output kept in `target/xtask/NAME.log`, and answers what it says; an error ends with its last lines.
pub(crate) fn logged(name: &str, command: &mut Command) -> Result<String, String> {
    let folder = root().join("target/xtask");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let path = folder.join(format!("{name}.log"));
    let failed = |error: std::io::Error| format!("{command:?}: {error}");
    let log = File::create(&path).map_err(failed)?;
    let other = log.try_clone().map_err(failed)?;
    let status = command
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(other)
        .status()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let text = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
    if status.success() {
        return Ok(text);
    }
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(60)..].join("\n");
    Err(format!("{last}\n({command:?} ended with {status}; all of it is in {})", path.display()))
}

/// Whether a program can be started.
pub(crate) fn exists(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Installs Debian packages where that is possible, or says how somebody else can.
pub(crate) fn install(packages: &[&str]) -> Result<(), String> {
    let command = format!("apt-get install -y {}", packages.join(" "));
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if !is_root || !exists("apt-get") {
        return Err(format!("missing; install with: {command}"));
    }
    logged("apt-update", plain("apt-get").arg("update"))?;
    logged("apt-install", plain("apt-get").args(["install", "-y"]).args(packages))?;
    Ok(())
}
