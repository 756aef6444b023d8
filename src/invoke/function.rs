//! What is run: a function as it is configured in Lambda.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::error::{Error, Result};
use crate::runtime::RuntimeProfile;

/// What a function's environment variables may have together, in bytes (AWS Lambda quotas).
const MOST_ENVIRONMENT_BYTES: usize = 4096;

/// Variables that Lambda sets and nobody else (AWS Lambda Developer Guide, "Using Lambda environment variables"). The
/// credentials and the region, which it sets too, have to come from somewhere here.
const RESERVED: &[&str] =
    &["_HANDLER", "_X_AMZN_TRACE_ID", "AWS_EXECUTION_ENV", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"];

/// A function.
#[derive(Debug, Clone)]
pub struct Function {
    /// A directory that `pack` wrote, one that will be `/opt`, or layer zips, the lowest first.
    pub layers: Vec<PathBuf>,
    /// What will be `/var/task`: a directory or a zip.
    pub code: Option<PathBuf>,
    /// The handler: `file.function`.
    pub handler: String,
    /// How long an invocation may take.
    pub timeout: Duration,
    /// How much memory its processes may have, in MB (1024 × 1024 bytes).
    pub memory_mb: u64,
    /// Its own environment variables.
    pub variables: BTreeMap<String, String>,
    /// The system around it: an unpacked image; this machine's when not said.
    pub rootfs: Option<PathBuf>,
    /// Where strace writes what is opened.
    pub trace: Option<PathBuf>,
    /// The image whose environment it has.
    pub runtime: RuntimeProfile,
}

impl Function {
    /// Its name, where one is asked for.
    pub const NAME: &'static str = "function";

    /// Whether it can be run.
    ///
    /// # Errors
    /// When a variable is one of Lambda's, they are too long together, or the system around is no directory.
    pub fn validate(&mut self) -> Result<()> {
        let reserved = |name: &&String| RESERVED.contains(&name.as_str()) || name.starts_with("AWS_LAMBDA_");
        if let Some(name) = self.variables.keys().find(reserved) {
            return Err(Error::Usage {
                message: format!("--env {name}: Lambda sets this variable itself"),
                help: "give it another name".to_owned(),
            });
        }
        let bytes: usize = self.variables.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > MOST_ENVIRONMENT_BYTES {
            return Err(Error::Usage {
                message: format!("--env: {bytes} bytes are more than the 4 KB that a function's variables may have"),
                help: "put what is long into a file of the code".to_owned(),
            });
        }
        if let Some(rootfs) = &self.rootfs {
            let real = rootfs.canonicalize().map_err(Error::io("find", rootfs))?;
            if !real.is_dir() || real == Path::new("/") {
                return Err(Error::Usage {
                    message: format!("--rootfs {}: no directory of an unpacked image", rootfs.display()),
                    help: "leave it out to run on this machine's own system".to_owned(),
                });
            }
            self.rootfs = Some(real);
        }
        Ok(())
    }

    /// Its ARN, of an account that is nobody's.
    pub(super) fn arn(&self) -> String {
        format!("arn:aws:lambda:{}:012345678912:function:{}", self.region(), Self::NAME)
    }

    fn region(&self) -> &str {
        self.variables.get("AWS_REGION").map_or("us-east-1", String::as_str)
    }

    /// The environment of its bootstrap: Lambda's (AWS Lambda Developer Guide, "Using Lambda environment variables"), and
    /// over that its own.
    pub(super) fn environment(&self, api: SocketAddr) -> BTreeMap<String, String> {
        let image = &self.runtime.environment;
        let memory = self.memory_mb.to_string();
        let api = api.to_string();
        let group = format!("/aws/lambda/{}", Self::NAME);
        let mut all: BTreeMap<String, String> = [
            ("PATH", image.path.join(":").as_str()),
            ("LD_LIBRARY_PATH", &image.ld_library_path.join(":")),
            ("LANG", language(self.rootfs.as_deref().unwrap_or(Path::new("/")))),
            ("TZ", ":UTC"),
            ("LAMBDA_TASK_ROOT", "/var/task"),
            ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
            ("_HANDLER", &self.handler),
            ("AWS_REGION", self.region()),
            ("AWS_DEFAULT_REGION", self.region()),
            ("AWS_LAMBDA_FUNCTION_NAME", Self::NAME),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &memory),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", &group),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "layerfit/[$LATEST]"),
            ("AWS_LAMBDA_RUNTIME_API", &api),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        all.extend(self.variables.clone());
        all
    }
}

/// Lambda's language where the system has it. Programs would fall back to ASCII without: then it is the one that every
/// glibc since 2.35 has, in the same encoding.
fn language(system: &Path) -> &'static str {
    let locales = system.join("usr/lib/locale");
    let has = locales.join("en_US.utf8").is_dir()
        || std::fs::read(locales.join("locale-archive"))
            .is_ok_and(|archive| archive.windows(10).any(|name| name == b"en_US.utf8"));
    if has { "en_US.UTF-8" } else { "C.UTF-8" }
}
