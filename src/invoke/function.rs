//! A function as it is configured in Lambda.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::error::{Error, Result};
use crate::container::Image;
use crate::runtime::{Limits, RuntimeProfile};

/// Maximum size of all of a function's environment variables together, in bytes (AWS Lambda quotas).
pub const MAX_ENVIRONMENT_BYTES: usize = 4096;

/// Variables that only Lambda sets (AWS Lambda Developer Guide, "Using Lambda environment variables"). It also sets the
/// credentials and the Region, but here these have to come from the user.
const RESERVED: &[&str] =
    &["_HANDLER", "_X_AMZN_TRACE_ID", "AWS_EXECUTION_ENV", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"];

/// The only `AWS_LAMBDA_*` that is the user's, for managed runtimes: a program to start the interpreter with (AWS Lambda
/// Developer Guide, "Modifying the runtime environment").
pub(super) const WRAPPER: &str = "AWS_LAMBDA_EXEC_WRAPPER";

/// Whether only Lambda sets a variable of this name.
pub fn is_lambdas_own(name: &str) -> bool {
    RESERVED.contains(&name) || (name.starts_with("AWS_LAMBDA_") && name != WRAPPER)
}

/// A function.
#[derive(Debug, Clone)]
pub struct Function {
    /// A directory that `pack` wrote, one that will be `/opt`, or layer zips, the lowest first.
    pub layers: Vec<PathBuf>,
    /// What will be `/var/task`: a directory or a zip.
    pub code: Option<PathBuf>,
    /// The handler: `file.function`.
    pub handler: String,
    /// Timeout of an invocation.
    pub timeout: Duration,
    /// Memory limit of its processes, in MB (1024 × 1024 bytes).
    pub memory_mb: u64,
    /// Its own environment variables.
    pub variables: BTreeMap<String, String>,
    /// The root file system around the layers: an image, or the directory of an unpacked one; by default, this machine's.
    pub rootfs: Option<PathBuf>,
    /// Whether it has no network: loopback and the Runtime API alone.
    pub no_network: bool,
    /// Where strace logs the files that are opened.
    pub trace: Option<PathBuf>,
    /// The Lambda runtime whose environment it gets.
    pub runtime: RuntimeProfile,
    /// The limits of the function and its layers.
    pub limits: Limits,
}

/// Checks whether a function can have these variables.
///
/// # Errors
/// When one is reserved for Lambda, or they are too large together.
pub fn check_variables(variables: &BTreeMap<String, String>) -> Result<()> {
    if let Some(name) = variables.keys().find(|name| is_lambdas_own(name)) {
        return Err(Error::Usage {
            message: format!("--env {name}: Lambda sets this variable itself"),
            help: "rename it".to_owned(),
        });
    }
    let bytes: usize = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_ENVIRONMENT_BYTES {
        return Err(Error::Usage {
            message: format!("--env: the variables have {bytes} bytes, more than Lambda's limit of 4 KB"),
            help: "move long values to a file in the function's code".to_owned(),
        });
    }
    Ok(())
}

impl Function {
    /// Its name, where one is needed.
    pub const NAME: &'static str = "function";

    /// Checks whether it can be run.
    ///
    /// # Errors
    /// When a variable is reserved for Lambda, the variables are too large together, or `rootfs` is neither a directory nor
    /// an image.
    pub fn validate(&mut self) -> Result<()> {
        check_variables(&self.variables)?;
        if let Some(rootfs) = &self.rootfs {
            let real = rootfs.canonicalize().map_err(Error::io("find", rootfs))?;
            if !(real.is_dir() || Image::is_at(&real)?) || real == Path::new("/") {
                return Err(Error::Usage {
                    message: format!(
                        "--rootfs {}: not an image, nor the directory of an unpacked image",
                        rootfs.display()
                    ),
                    help: "leave --rootfs out to use this machine's system".to_owned(),
                });
            }
            self.rootfs = Some(real);
        }
        Ok(())
    }

    /// Its ARN, in a placeholder account.
    pub(super) fn arn(&self) -> String {
        format!("arn:aws:lambda:{}:012345678912:function:{}", self.region(), Self::NAME)
    }

    fn region(&self) -> &str {
        self.variables.get("AWS_REGION").map_or("us-east-1", String::as_str)
    }

    /// The environment of its bootstrap: Lambda's variables (AWS Lambda Developer Guide, "Using Lambda environment
    /// variables") and these of its runtime, overridden by its own. The address of the Runtime API is only known in the sandbox.
    pub(super) fn environment(&self, runtime: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let image = &self.runtime.environment;
        let memory = self.memory_mb.to_string();
        let group = format!("/aws/lambda/{}", Self::NAME);
        let mut all: BTreeMap<String, String> = [
            ("PATH", image.path.join(":").as_str()),
            ("LD_LIBRARY_PATH", &image.ld_library_path.join(":")),
            ("LANG", locale(self.rootfs.as_deref().unwrap_or(Path::new("/")))),
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
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        all.extend(runtime.clone());
        all.extend(self.variables.clone());
        all
    }
}

/// How much of an archive of locales is searched: their names come before their data (glibc, locale/programs/locarchive.c).
const LOCALE_NAMES: u64 = 1 << 20;

/// Lambda's locale where the system has it. Without it, programs would fall back to ASCII: C.UTF-8, which is built into every
/// glibc since 2.35, has the same encoding.
fn locale(system: &Path) -> &'static str {
    let locales = system.join("usr/lib/locale");
    let has = locales.join("en_US.utf8").is_dir()
        || crate::base::read::up_to(locales.join("locale-archive"), LOCALE_NAMES)
            .is_ok_and(|archive| memchr::memmem::find(&archive, b"en_US.utf8").is_some());
    if has { "en_US.UTF-8" } else { "C.UTF-8" }
}
