//! Hands the memory map to the linker.

use std::path::PathBuf;
use std::{env, fs};

const MEMORY: &str = "
MEMORY
{
  FLASH : ORIGIN = 0x00000000, LENGTH = 256K
  RAM : ORIGIN = 0x20000000, LENGTH = 64K
}
";

fn main() {
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(folder.join("memory.x"), MEMORY).expect("the output folder can be written");
    println!("cargo::rustc-link-search={}", folder.display());
    println!("cargo::rerun-if-changed=build.rs");
}
