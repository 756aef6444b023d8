//! The functions that import modules, name them or start Python, by their names.

/// Functions that import the module that their first argument names, as written and by the last part of what is written.
pub(super) const IMPORTS: &[&str] =
    &["import_module", "__import__", "import_optional_dependency", "run_module", "load_module"];

/// Functions that only test for the module that their first argument names, or that do without it.
pub(super) const TESTS: &[&str] = &["find_spec", "find_loader", "importorskip"];

/// Functions that take the name of a module whose files they read, or that they replace a part of, by the last two parts of their
/// names.
pub(super) const NAMES_MODULE: &[&str] = &[
    "resources.files",
    "resources.path",
    "resources.contents",
    "resources.is_resource",
    "resources.open_text",
    "resources.open_binary",
    "resources.read_text",
    "resources.read_binary",
    "importlib_resources.files",
    "pkgutil.get_data",
    "pkgutil.resolve_name",
    "pkg_resources.resource_filename",
    "pkg_resources.resource_string",
    "pkg_resources.resource_stream",
    "pkg_resources.resource_exists",
    "pkg_resources.resource_listdir",
    "mock.patch",
];

/// Functions that read the metadata of the distribution that their first argument names, as [`NAMES_MODULE`].
pub(super) const NAMES_DISTRIBUTION: &[&str] = &[
    "metadata.version",
    "metadata.distribution",
    "metadata.metadata",
    "metadata.requires",
    "metadata.files",
    "importlib_metadata.version",
    "importlib_metadata.distribution",
    "importlib_metadata.metadata",
    "importlib_metadata.requires",
    "importlib_metadata.files",
    "pkg_resources.get_distribution",
    "pkg_resources.require",
];

/// Functions that read objects whose modules they import, as [`NAMES_MODULE`].
pub(super) const READS_OBJECTS: &[&str] = &[
    "pickle.load",
    "pickle.loads",
    "pickle.Unpickler",
    "cPickle.load",
    "cPickle.loads",
    "pickle5.load",
    "pickle5.loads",
    "dill.load",
    "dill.loads",
    "cloudpickle.load",
    "cloudpickle.loads",
    "joblib.load",
    "torch.load",
    "shelve.open",
    "pandas.read_pickle",
    "jsonpickle.decode",
    "io.load_model",
    "pyfunc.load_model",
    "sklearn.load_model",
];

/// Those of them that read a file which is opened or named there, by the last part of their names. Others are given bytes, or read
/// archives.
pub(super) const OPENS_FILES: &[&str] = &["load", "Unpickler", "read_pickle"];

/// Functions that call their first argument with what follows it, or with each of it.
pub(super) const PASSES_ON: &[&str] = &["partial", "map", "submit", "starmap", "filter", "to_thread"];

/// Functions that start a program, by the last part of their names.
pub(super) const STARTS: &[&str] = &[
    "run",
    "call",
    "check_call",
    "check_output",
    "Popen",
    "popen",
    "system",
    "getoutput",
    "getstatusoutput",
    "create_subprocess_exec",
    "create_subprocess_shell",
    "split",
];

/// Functions of boto3 and botocore that make a client for the service that their first argument names.
pub(super) const CLIENTS: &[&str] = &["client", "resource", "create_client"];
