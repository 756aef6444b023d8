//! Directories that are removed when the run ends, however it ends: by the run itself, by the thread that handles signals, or,
//! if the run is killed, by a process that waits for that.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::base::error::{Error, Result};
use crate::base::interrupt::HalfWritten;

/// The hidden command that removes a directory at the end of its standard input.
pub const REMOVER: &str = "remove-afterwards";

/// A directory that is removed when it is dropped, or when the process ends.
#[derive(Debug)]
pub struct Temporary {
    path: PathBuf,
    /// Its standard input is a pipe that nothing is written to. The kernel closes it when this process has ended.
    _remover: Child,
    _until_then: HalfWritten,
}

impl Temporary {
    /// Creates one in TMPDIR.
    ///
    /// # Errors
    /// When it cannot be created, or layerfit cannot be started to remove it.
    pub fn new() -> Result<Self> {
        let own = std::env::current_exe().map_err(Error::io("find", "layerfit itself"))?;
        let (until_then, (path, remover)) = HalfWritten::make(|| {
            let directory = tempfile::Builder::new().prefix("layerfit-").tempdir();
            let directory = directory.map_err(Error::io("create a directory in", std::env::temp_dir()))?;
            let path = directory.path().canonicalize().map_err(Error::io("find", directory.path()))?;
            // A process group of its own: what kills this process is often meant for its whole group.
            let remover = Command::new(&own)
                .arg(REMOVER)
                .arg(&path)
                .env_clear()
                .current_dir("/")
                .process_group(0)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .map_err(Error::io("start", &own))?;
            let _ = directory.keep();
            Ok::<_, Error>((path.clone(), (path, remover)))
        })?;
        Ok(Self { path, _remover: remover, _until_then: until_then })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Runs the hidden command `layerfit remove-afterwards DIR`.
pub fn run_remover(directory: &Path) {
    let mut buffer = [0; 64];
    while std::io::stdin().read(&mut buffer).is_ok_and(|length| length > 0) {}
    remove(directory);
}

/// Removes a directory, also if directories in it are not writable, as a layer can have them. What cannot be removed stays:
/// nothing more can be done about it here.
fn remove(directory: &Path) {
    if directory.exists() && fs::remove_dir_all(directory).is_err() {
        make_writable(directory);
        let _ = fs::remove_dir_all(directory);
    }
}

fn make_writable(directory: &Path) {
    let _ = fs::set_permissions(directory, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}
