//! Builds without an operating system, and the compiler that they need.

use std::process::Command;

use crate::{elf, run};

const TARGETS: [&str; 4] =
    ["thumbv6m-none-eabi", "thumbv7m-none-eabi", "thumbv7em-none-eabihf", "riscv32imac-unknown-none-elf"];
const LINK_TARGET: &str = "thumbv7m-none-eabi";
const PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "gcc-arm-none-eabi"];

/// Which compiler builds for a target.
enum Toolchain {
    /// The one of rustup, which has the target.
    Rustup,
    /// Debian's, which brings the sources of `core`.
    Debian,
}

impl Toolchain {
    fn find(target: &str) -> Result<Self, String> {
        let installed = Command::new("rustup").args(["target", "list", "--installed"]).output();
        if installed
            .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).lines().any(|line| line == target))
        {
            return Ok(Self::Rustup);
        }
        let is_there = || {
            run::exists("/usr/bin/rustc") && run::exists("/usr/bin/cargo") && run::exists("arm-none-eabi-ld")
        };
        if !is_there() {
            run::install(&PACKAGES).map_err(|error| {
                format!(
                    "no compiler for {target}: `rustup target add {target}`, or Debian's packages {error}"
                )
            })?;
        }
        if is_there() {
            Ok(Self::Debian)
        } else {
            Err(format!("no compiler for {target}: `rustup target add {target}`"))
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Rustup => "rustup",
            Self::Debian => "Debian",
        }
    }

    /// `cargo build` for a target. The two compilers differ by a version, so each has a folder of its own.
    fn build(&self, target: &str, flags: &str) -> Command {
        let folder = run::root().join("target").join(format!("bare-{}", self.name().to_lowercase()));
        let mut command = match self {
            Self::Rustup => run::plain("cargo"),
            Self::Debian => {
                let mut command = run::plain("/usr/bin/cargo");
                command.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", "/usr/bin/rustc");
                command
            }
        };
        command.env("CARGO_TARGET_DIR", folder).env("RUSTFLAGS", flags).args(["build", "--target", target]);
        if matches!(self, Self::Debian) {
            command.arg("-Zbuild-std=core");
        }
        command
    }
}

/// Builds the libraries for every target.
pub(crate) fn libraries() -> Result<String, String> {
    let mut said = Vec::new();
    for target in TARGETS {
        let toolchain = Toolchain::find(target)?;
        // A chip without compare-and-swap needs somebody to say how it does without: here, one core.
        let flags = if target.starts_with("thumbv6m") {
            "--cfg portable_atomic_unsafe_assume_single_core"
        } else {
            ""
        };
        let mut command = toolchain.build(target, flags);
        command.args(["-p", "pivot-core", "-p", "pivot-embedded"]);
        run::logged(&format!("bare-{target}"), &mut command)?;
        said.push(format!("{target} ({})", toolchain.name()));
    }
    Ok(said.join(", "))
}

/// Links the image, and says how large it is.
pub(crate) fn size() -> Result<String, String> {
    let manifest = run::root().join("examples/link/Cargo.toml");
    if !manifest.exists() {
        return Err("there is no image to measure: examples/link/Cargo.toml is missing".to_owned());
    }
    let toolchain = Toolchain::find(LINK_TARGET)?;
    let flags = match toolchain {
        Toolchain::Rustup => "-C link-arg=-Tlink.x",
        Toolchain::Debian => "-C linker=arm-none-eabi-ld -C linker-flavor=ld -C link-arg=-Tlink.x",
    };
    let mut command = toolchain.build(LINK_TARGET, flags);
    command.arg("--release").arg("--manifest-path").arg(manifest);
    run::logged("link", &mut command)?;
    let image = run::root()
        .join("target")
        .join(format!("bare-{}", toolchain.name().to_lowercase()))
        .join(LINK_TARGET)
        .join("release/pivot-link");
    let bytes = std::fs::read(&image).map_err(|error| format!("{}: {error}", image.display()))?;
    elf::report(&bytes).ok_or_else(|| format!("{} is no ELF file that can be read", image.display()))
}
