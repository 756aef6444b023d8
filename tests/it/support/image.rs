//! Container images made by hand: layers as tar archives, in an OCI image layout, an OCI archive or an archive of `docker save`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};
use walkdir::WalkDir;

/// The types of images and lists in the OCI format.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A layer, built member by member.
pub(crate) struct Layer(Builder<Vec<u8>>);

impl Layer {
    pub(crate) fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    /// Everything in a directory, at a path of the image.
    pub(crate) fn of(directory: &Path, at: &str) -> Self {
        let mut layer = Self::new();
        layer.0.follow_symlinks(false);
        let mut known = BTreeMap::new();
        for entry in WalkDir::new(directory).min_depth(1).sort_by_file_name() {
            let entry = entry.expect("read");
            let name = Path::new(at).join(entry.path().strip_prefix(directory).expect("inside"));
            let metadata = entry.metadata().expect("read");
            match known.insert(metadata.ino(), name.clone()).filter(|_| metadata.is_file()) {
                Some(first) => {
                    let mut header = Header::new_gnu();
                    header.set_entry_type(EntryType::Link);
                    header.set_size(0);
                    layer.0.append_link(&mut header, name, first).expect("appended");
                }
                None => layer.0.append_path_with_name(entry.path(), name).expect("appended"),
            }
        }
        layer
    }

    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.member(EntryType::Regular, name, "", content.as_ref())
    }

    pub(crate) fn link(self, name: &str, target: &str) -> Self {
        self.member(EntryType::Symlink, name, target, &[])
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        self.member(EntryType::Link, name, target, &[])
    }

    pub(crate) fn directory(self, name: &str) -> Self {
        self.member(EntryType::Directory, name, "", &[])
    }

    /// A member with this name as it is, which no archiver would write.
    pub(crate) fn member(mut self, kind: EntryType, name: &str, target: &str, content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        let mode = if kind == EntryType::Directory { 0o755 } else { 0o644 };
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        let bytes = header.as_mut_bytes();
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        bytes[157..157 + target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        self.0.append(&header, content).expect("appended");
        self
    }

    /// The archive.
    pub(crate) fn tar(self) -> Vec<u8> {
        self.0.into_inner().expect("finished")
    }
}

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(content).expect("written");
    writer.finish().expect("finished")
}

pub(crate) fn zstd(content: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(content, ruzstd::encoding::CompressionLevel::Fastest)
}

fn digest(content: &[u8]) -> String {
    let hex: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// An image: its layers, and what its configuration has.
pub(crate) struct TestImage {
    /// The layers without compression, the lowest first.
    pub(crate) layers: Vec<Vec<u8>>,
    pub(crate) architecture: &'static str,
    pub(crate) variables: Vec<&'static str>,
    pub(crate) name: &'static str,
}

/// The files of an image, by their paths.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

impl TestImage {
    pub(crate) fn new(layers: Vec<Layer>) -> Self {
        let layers = layers.into_iter().map(Layer::tar).collect();
        Self { layers, architecture: "amd64", variables: Vec::new(), name: "my-r:latest" }
    }

    fn configuration(&self) -> Vec<u8> {
        let layers: Vec<String> = self.layers.iter().map(|layer| digest(layer)).collect();
        json!({
            "architecture": self.architecture, "os": "linux", "config": {"Env": self.variables},
            "rootfs": {"type": "layers", "diff_ids": layers},
        })
        .to_string()
        .into_bytes()
    }

    /// Adds the image to the files of a layout; returns its descriptor.
    fn add_to(&self, files: &mut Files, compress: fn(&[u8]) -> Vec<u8>) -> Value {
        let mut add = |content: Vec<u8>, kind: &str| {
            let digest = digest(&content);
            let descriptor = json!({"mediaType": kind, "digest": digest, "size": content.len()});
            files.push((format!("blobs/{}", digest.replace(':', "/")), content));
            descriptor
        };
        let layers: Vec<Value> = self
            .layers
            .iter()
            .map(|layer| add(compress(layer), "application/vnd.oci.image.layer.v1.tar+gzip"))
            .collect();
        let config = add(self.configuration(), "application/vnd.oci.image.config.v1+json");
        let manifest = json!({"schemaVersion": 2, "config": config, "layers": layers}).to_string().into_bytes();
        let mut descriptor = add(manifest, MANIFEST);
        descriptor["platform"] = json!({"os": "linux", "architecture": self.architecture});
        descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": self.name});
        descriptor
    }

    /// The files of an OCI image layout.
    pub(crate) fn oci(&self, compress: fn(&[u8]) -> Vec<u8>) -> Files {
        layout(&[self], compress, false)
    }

    /// The files of an archive that `docker save` writes.
    pub(crate) fn docker(&self) -> Files {
        let mut files = Files::new();
        for layer in &self.layers {
            files.push((format!("{}/layer.tar", &digest(layer)[7..]), layer.clone()));
        }
        let paths: Vec<String> = files.iter().map(|(path, _)| path.clone()).collect();
        let configuration = self.configuration();
        let config = format!("{}.json", &digest(&configuration)[7..]);
        files.push((config.clone(), configuration));
        let list = json!([{"Config": config, "RepoTags": [self.name], "Layers": paths}]);
        files.push(("manifest.json".to_owned(), list.to_string().into_bytes()));
        files
    }
}

/// The files of an OCI image layout with several images, in a list of their own if `nested`.
pub(crate) fn layout(images: &[&TestImage], compress: fn(&[u8]) -> Vec<u8>, nested: bool) -> Files {
    let mut files = vec![("oci-layout".to_owned(), br#"{"imageLayoutVersion": "1.0.0"}"#.to_vec())];
    let mut manifests: Vec<Value> = images.iter().map(|image| image.add_to(&mut files, compress)).collect();
    if nested {
        let list = json!({"schemaVersion": 2, "manifests": manifests}).to_string().into_bytes();
        let digest = digest(&list);
        manifests = vec![json!({"mediaType": INDEX, "digest": digest, "size": list.len()})];
        files.push((format!("blobs/{}", digest.replace(':', "/")), list));
    }
    let index = json!({"schemaVersion": 2, "manifests": manifests}).to_string().into_bytes();
    files.push(("index.json".to_owned(), index));
    files
}

/// An archive of these files.
pub(crate) fn archive(files: &Files) -> Vec<u8> {
    let mut archive = Layer::new();
    for (path, content) in files {
        archive = archive.file(path, content);
    }
    archive.tar()
}

/// Writes these files to a directory.
pub(crate) fn write(files: &Files, directory: &Path) {
    for (path, content) in files {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().expect("inside")).expect("made");
        fs::write(path, content).expect("written");
    }
}
