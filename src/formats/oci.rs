//! Container images: the JSON of the OCI image format, and of the archives that `docker save` writes. Only what is needed to
//! find an image's layers and to say which image it is.
//!
//! <https://github.com/opencontainers/image-spec>. The oci-spec crate models all of it with builders and getters, and brings
//! six more crates.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

/// The name of the list of images in an OCI image layout.
pub const INDEX: &str = "index.json";

/// The name of the file that says which version of the format a layout has.
pub const LAYOUT: &str = "oci-layout";

/// The name of the list of images in an archive that `docker save` wrote.
pub const DOCKER_MANIFEST: &str = "manifest.json";

/// The name of the file by which skopeo tells a directory that it wrote as `dir:`, beside a manifest.
pub const DIRECTORY_VERSION: &str = "version";

/// Whether the head of [`DIRECTORY_VERSION`] is that of skopeo (`directory_dest.go` in containers/image).
pub fn is_directory_of_skopeo(head: &[u8]) -> bool {
    head.starts_with(b"Directory Transport Version")
}

/// Whether the head of [`DOCKER_MANIFEST`] is that of a list of images: an array, of objects that have layers.
pub fn is_list_of_docker(head: &[u8]) -> bool {
    let start = head.iter().position(|byte| !byte.is_ascii_whitespace());
    start.is_some_and(|start| head[start] == b'[') && head.windows(8).any(|part| part == b"\"Layers\"")
}

/// A digest: that of SHA-256, which all registries and programs use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(String);

impl Digest {
    /// Reads `sha256:` and 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("sha256:")?;
        let is_hex = hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_hex.then(|| Self(hex.to_owned()))
    }

    /// The hexadecimal digits.
    pub fn hex(&self) -> &str {
        &self.0
    }

    /// Where an image layout has the content with this digest.
    pub fn path(&self) -> String {
        format!("blobs/sha256/{}", self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not a digest of SHA-256")))
    }
}

/// What a content is, where it is and how long it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Its type; empty if that is not recorded.
    #[serde(default)]
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// The platform of an image.
    pub platform: Option<Platform>,
    /// Further facts, such as the image's name.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Whether it is of a list of images.
    pub fn is_index(&self) -> bool {
        matches!(
            self.media_type.as_str(),
            "application/vnd.oci.image.index.v1+json" | "application/vnd.docker.distribution.manifest.list.v2+json"
        )
    }

    /// Whether it is of the configuration of an image, and not of something else that registries keep.
    pub fn is_configuration(&self) -> bool {
        matches!(
            self.media_type.as_str(),
            "" | "application/vnd.oci.image.config.v1+json" | "application/vnd.docker.container.image.v1+json"
        )
    }

    /// Whether it is of what BuildKit records about an image, and not of an image.
    pub fn is_attestation(&self) -> bool {
        self.annotations.contains_key("vnd.docker.reference.type")
            || self.platform.as_ref().is_some_and(|platform| platform.os == "unknown")
    }

    /// The image's name: containerd's whole one, or the reference, which is often only a tag.
    pub fn name(&self) -> Option<&str> {
        let names = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];
        names.into_iter().find_map(|name| self.annotations.get(name)).map(String::as_str)
    }
}

/// The system and processor that an image is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Platform {
    /// The system, such as `linux`.
    pub os: String,
    /// The processor, by Go's name: `amd64` or `arm64`.
    pub architecture: String,
    /// Its variant, such as `v8`.
    pub variant: Option<String>,
}

impl Platform {
    /// Lambda's name for the processor; `None` for one that Lambda does not have.
    pub fn of_lambda(&self) -> Option<&'static str> {
        match self.architecture.as_str() {
            "amd64" => Some("x86_64"),
            "arm64" => Some("arm64"),
            _ => None,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

/// A list of images, or of such lists.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Index {
    /// What is listed.
    #[serde(default)]
    pub manifests: Vec<Descriptor>,
}

/// An image: its configuration and its layers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Manifest {
    /// The configuration.
    pub config: Descriptor,
    /// The layers, the lowest first.
    pub layers: Vec<Descriptor>,
}

/// The configuration of an image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Configuration {
    /// What it is for.
    #[serde(flatten)]
    pub platform: Platform,
    /// How its processes run.
    #[serde(default)]
    config: Option<Process>,
    /// Its layers.
    rootfs: Layers,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct Process {
    #[serde(rename = "Env")]
    variables: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Layers {
    diff_ids: Vec<Digest>,
}

impl Configuration {
    /// The digest of each layer without compression, the lowest first.
    pub fn layers(&self) -> &[Digest] {
        &self.rootfs.diff_ids
    }

    /// The environment of its processes.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let variables = self.config.iter().filter_map(|process| process.variables.as_ref()).flatten();
        variables.filter_map(|variable| variable.split_once('='))
    }
}

/// An image in an archive that `docker save` wrote.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DockerImage {
    /// The path of its configuration in the archive.
    pub config: String,
    /// Its names.
    pub repo_tags: Option<Vec<String>>,
    /// The paths of its layers in the archive, the lowest first.
    pub layers: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn a_digest_is_never_a_path_out_of_the_layout() {
        assert_eq!(Digest::parse(DIGEST).expect("a digest").to_string(), DIGEST);
        for wrong in ["sha256:../../etc/passwd", "sha512:00", "0123", "sha256:", &DIGEST.to_uppercase()] {
            assert_eq!(Digest::parse(wrong), None, "{wrong}");
        }
        let error = serde_json::from_str::<Digest>("\"sha256:../x\"").expect_err("refused").to_string();
        assert!(error.contains("not a digest of SHA-256"), "{error}");
    }

    #[test]
    fn a_configuration_is_read_with_and_without_an_environment() {
        let text = format!(
            r#"{{"architecture": "arm64", "os": "linux", "variant": "v8", "rootfs": {{"type": "layers",
                "diff_ids": ["{DIGEST}"]}}, "config": {{"Env": ["PATH=/bin:/opt/bin", "odd", "A=b=c"]}}, "history": []}}"#
        );
        let configuration: Configuration = serde_json::from_str(&text).expect("read");
        assert_eq!(configuration.platform.to_string(), "linux/arm64/v8");
        assert_eq!(configuration.platform.of_lambda(), Some("arm64"));
        assert_eq!(configuration.variables().collect::<Vec<_>>(), [("PATH", "/bin:/opt/bin"), ("A", "b=c")]);
        assert_eq!(configuration.layers().len(), 1);
        let without =
            r#"{"architecture": "amd64", "os": "linux", "config": {"Env": null}, "rootfs": {"diff_ids": []}}"#;
        let configuration: Configuration = serde_json::from_str(without).expect("read");
        assert_eq!(configuration.variables().count(), 0);
    }

    #[test]
    fn what_is_recorded_about_an_image_is_not_an_image() {
        let index = format!(
            r#"{{"schemaVersion": 2, "manifests": [
                {{"digest": "{DIGEST}", "size": 1, "platform": {{"os": "unknown", "architecture": "unknown"}}}},
                {{"digest": "{DIGEST}", "size": 1, "annotations": {{"vnd.docker.reference.type": "attestation-manifest"}}}},
                {{"digest": "{DIGEST}", "size": 1, "annotations": {{"org.opencontainers.image.ref.name": "r:4"}}}}]}}"#
        );
        let index: Index = serde_json::from_str(&index).expect("read");
        let attestations: Vec<bool> = index.manifests.iter().map(Descriptor::is_attestation).collect();
        assert_eq!(attestations, [true, true, false]);
        assert_eq!(index.manifests[2].name(), Some("r:4"));
    }
}
