//! How the program is linked, and what it says that it was built from.

use std::path::Path;
use std::process::Command;

/// What decides the program; a change elsewhere in the folder makes it no other one.
const SOURCES: [&str; 7] = ["src", "web/src", "Cargo.toml", "Cargo.lock", "build.rs", ".cargo", START];

/// What every server runs, as a script for the linker: made by `make start-order`.
const START: &str = "packaging/start.ld";

/// Linkers that read no script of sections, by which somebody may link.
const WITHOUT_SCRIPTS: [&str; 3] = ["mold", "gold", "wild"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        // The loader reads every relocation at the start, so all of them stay in memory: 800 KB of the empty server's, or
        // 20 KB in this form (DT_RELR). A linker that does not know it warns and goes on.
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let takes_scripts =
        is("CARGO_CFG_TARGET_OS", "linux") && !WITHOUT_SCRIPTS.iter().any(|linker| flags.contains(linker));
    if is("PROFILE", "release") && takes_scripts {
        // What every server runs stands together, so that the rest of the program does not come into memory with it.
        println!("cargo:rerun-if-changed={START}");
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{}/{START}", env!("CARGO_MANIFEST_DIR"));
    }
    println!("cargo:rustc-env=PROGRAM_BUILD={}", built());
}

/// From which commit and for which system: `d0e9c90a1b2c, x86_64-unknown-linux-gnu`. The time is not in it: the same source
/// makes the same program.
fn built() -> String {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    println!("cargo:rerun-if-env-changed=SARANGBANG_COMMIT");
    let commit = match variable("SARANGBANG_COMMIT") {
        given if !given.is_empty() => Some(given),
        // A commit alone would build everything anew that is built while developing, tests included.
        _ if variable("PROFILE") == "debug" => Some("debug".to_owned()),
        _ => commit(Path::new(&variable("CARGO_MANIFEST_DIR"))),
    };
    let target = variable("TARGET");
    commit.map(|commit| format!("{commit}, {target}")).unwrap_or(target)
}

/// The commit of `root`, with `+changes` where its sources are not those of the commit; none without git, from an
/// archive, or where `root` stands inside somebody else's repository.
fn commit(root: &Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").arg("-C").arg(root).env("GIT_OPTIONAL_LOCKS", "0").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        output.status.success().then_some(text)
    };
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    let reference = git(&["rev-parse", "--symbolic-full-name", "HEAD"]).unwrap_or_default();
    for name in ["HEAD", "logs/HEAD", &reference] {
        // A path that is not there counts as changed with every build.
        if let Some(path) =
            git(&["rev-parse", "--git-path", name]).map(|path| root.join(path)).filter(|path| path.is_file())
        {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
    SOURCES.iter().for_each(|path| println!("cargo:rerun-if-changed={path}"));
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let status = git(&[&["status", "--porcelain", "--untracked-files=normal", "--"], &SOURCES[..]].concat())?;
    Some(if status.is_empty() { commit } else { format!("{commit}+changes") })
}
