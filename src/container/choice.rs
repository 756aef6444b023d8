//! Which image of an archive is read, and what it consists of: by its index (OCI), or by Docker's list.

use super::blobs::Blobs;
use super::layers::Reading;
use crate::base::bytes::hex;
use crate::base::error::{Error, Result};
use crate::base::list;
use crate::base::path::printable;
use crate::base::read;
use crate::formats::oci::{
    Configuration, DOCKER_MANIFEST, Descriptor, Digest, DockerImage, INDEX, Index, Manifest, Platform,
};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

/// A bound for the JSON of an image in bytes: registries accept manifests of 4 MiB (OCI distribution-spec).
const MAX_JSON: u64 = 4 << 20;

/// How deep lists of images may contain lists.
const MAX_DEPTH: usize = 3;

/// How many images are looked at.
const MAX_IMAGES: usize = 100;

/// The image to read.
pub(super) struct Chosen {
    pub(super) name: Option<String>,
    pub(super) config: Digest,
    pub(super) configuration: Configuration,
    /// The layers, the lowest first.
    pub(super) layers: Vec<LayerFile>,
}

/// A layer's file.
pub(super) struct LayerFile {
    pub(super) path: String,
    /// The digest of the file.
    pub(super) digest: Option<Digest>,
    /// The digest of its content without compression.
    pub(super) unpacked: Option<Digest>,
}

/// An image that can be chosen.
struct Candidate<T> {
    name: Option<String>,
    config: Digest,
    configuration: Configuration,
    content: T,
}

/// The image in an OCI image layout.
///
/// # Errors
/// When it is damaged or incomplete, or has several images to choose from.
pub(super) fn of_index(reading: &Reading<'_>, blobs: &Blobs, architecture: Option<&str>) -> Result<Chosen> {
    let index: Index = json(reading, blobs, INDEX, None)?;
    let mut found = Vec::new();
    let mut missing = None;
    let mut left: Vec<(Descriptor, Option<String>, usize)> =
        index.manifests.into_iter().map(|descriptor| (descriptor, None, 0)).collect();
    // From its end, so that they are found in their order.
    left.reverse();
    while let Some((descriptor, outer, depth)) = left.pop() {
        let name = descriptor.name().map(str::to_owned).or(outer);
        if descriptor.is_attestation() || found.len() >= MAX_IMAGES {
            continue;
        }
        let path = descriptor.digest.path();
        if blobs.open(&path)?.is_none() {
            // Docker lists every platform of an image that it has one of.
            missing.get_or_insert(path);
        } else if descriptor.is_index() {
            if depth >= MAX_DEPTH {
                return Err(reading.error("has lists of lists of images".to_owned(), "save a single image"));
            }
            let inner: Index = json(reading, blobs, &path, Some(&descriptor.digest))?;
            left.extend(inner.manifests.into_iter().rev().map(|inner| (inner, name.clone(), depth + 1)));
        } else {
            let manifest: Manifest = json(reading, blobs, &path, Some(&descriptor.digest))?;
            if !manifest.config.is_configuration() {
                // A signature, a list of what is in an image, or something else that registries keep.
                continue;
            }
            let config = manifest.config.digest.clone();
            let configuration: Configuration = json(reading, blobs, &config.path(), Some(&config))?;
            found.push(Candidate { name, config, configuration, content: manifest.layers });
        }
    }
    let chosen = choose(reading, found, architecture, missing)?;
    let name = match chosen.name {
        // Docker's own list has the whole name, where the index often has a tag only.
        Some(name) if name.contains(['/', ':']) => Some(name),
        name => docker_name(reading, blobs, &chosen.config).or(name),
    };
    let layer = |layer: Descriptor| LayerFile { path: layer.digest.path(), digest: Some(layer.digest), unpacked: None };
    let layers = chosen.content.into_iter().map(layer).collect();
    Ok(Chosen { name, config: chosen.config, configuration: chosen.configuration, layers })
}

/// The name of an image in Docker's list.
fn docker_name(reading: &Reading<'_>, blobs: &Blobs, config: &Digest) -> Option<String> {
    let images: Vec<DockerImage> = json(reading, blobs, DOCKER_MANIFEST, None).ok()?;
    let image = images.into_iter().find(|image| image.config.contains(config.hex()))?;
    image.repo_tags?.into_iter().next()
}

/// The image in an archive that `docker save` wrote.
///
/// # Errors
/// When it is damaged or incomplete, or has several images to choose from.
pub(super) fn of_docker(reading: &Reading<'_>, blobs: &Blobs, architecture: Option<&str>) -> Result<Chosen> {
    let images: Vec<DockerImage> = json(reading, blobs, DOCKER_MANIFEST, None)?;
    let mut found = Vec::new();
    for image in images.into_iter().take(MAX_IMAGES) {
        let content = bytes(reading, blobs, &image.config)?;
        // Its name is its digest.
        let config = Digest::parse(&format!("sha256:{}", hex(&Sha256::digest(&content))));
        let config = config.ok_or_else(|| Error::bug("name a digest")("it is not hexadecimal"))?;
        if !image.config.contains(config.hex()) {
            return Err(reading.error(
                format!("{} is damaged: its digest is {config}", printable(image.config.as_bytes())),
                "save the image again",
            ));
        }
        let configuration: Configuration = parse(reading, &image.config, &content)?;
        if configuration.layers().len() != image.layers.len() {
            return Err(reading.error(
                format!(
                    "{} lists {} layers, and {DOCKER_MANIFEST} {}",
                    printable(image.config.as_bytes()),
                    configuration.layers().len(),
                    image.layers.len()
                ),
                "save the image again",
            ));
        }
        let name = image.repo_tags.into_iter().flatten().next();
        found.push(Candidate { name, config, configuration, content: image.layers });
    }
    let chosen = choose(reading, found, architecture, None)?;
    let unpacked = chosen.configuration.layers().to_vec();
    let layers = chosen.content.into_iter().zip(unpacked);
    let layers = layers.map(|(path, unpacked)| LayerFile { path, digest: None, unpacked: Some(unpacked) }).collect();
    Ok(Chosen { name: chosen.name, config: chosen.config, configuration: chosen.configuration, layers })
}

/// The only image, or the only one for an architecture.
fn choose<T>(
    reading: &Reading<'_>,
    mut found: Vec<Candidate<T>>,
    architecture: Option<&str>,
    missing: Option<String>,
) -> Result<Candidate<T>> {
    // Two names of one image.
    let mut known = std::collections::BTreeSet::new();
    found.retain(|candidate| known.insert(candidate.config.clone()));
    found.retain(|candidate| candidate.configuration.platform.os == "linux" || known.len() == 1);
    if let (Some(architecture), 2..) = (architecture, found.len()) {
        let platforms = shown(&found);
        found.retain(|candidate| candidate.configuration.platform.of_lambda() == Some(architecture));
        if found.is_empty() {
            return Err(reading.error(
                format!("has no image for --arch {architecture}, only {platforms}"),
                "name one of these with --arch, or build the image for the function's architecture",
            ));
        }
    }
    let mut platforms: Vec<&Platform> = found.iter().map(|candidate| &candidate.configuration.platform).collect();
    platforms.sort();
    platforms.dedup();
    match (found.len(), platforms.len()) {
        (1, _) => {}
        (0, _) => {
            let why =
                missing.map_or_else(|| "has no image".to_owned(), |path| format!("has no image: {path} is missing"));
            return Err(reading.error(why, "save the image again: docker save IMAGE -o FILE"));
        }
        (count, several) if count == several => {
            return Err(reading.error(
                format!("has images for several platforms: {}", shown(&found)),
                "choose one with --arch x86_64 or --arch arm64",
            ));
        }
        _ => {
            return Err(reading.error(
                format!("has several images: {}", shown(&found)),
                "save the one that is meant: docker save IMAGE -o FILE",
            ));
        }
    }
    let chosen = found.remove(0);
    if chosen.configuration.platform.os != "linux" {
        return Err(reading.error(
            format!("is an image for {}", chosen.configuration.platform),
            "Lambda runs Linux: name an image for linux/amd64 or linux/arm64",
        ));
    }
    Ok(chosen)
}

fn shown<T>(found: &[Candidate<T>]) -> String {
    let about = |candidate: &Candidate<T>| {
        let Candidate { name, config, configuration, .. } = candidate;
        match name {
            Some(name) => format!("{} ({})", printable(name.as_bytes()), configuration.platform),
            None => format!("{config} ({})", configuration.platform),
        }
    };
    list::with_last(&found.iter().map(about).collect::<Vec<_>>(), "and")
}

/// Reads a JSON file of the image, and compares it with its digest.
fn json<T: DeserializeOwned>(reading: &Reading<'_>, blobs: &Blobs, path: &str, digest: Option<&Digest>) -> Result<T> {
    let content = bytes(reading, blobs, path)?;
    if let Some(digest) = digest
        && hex(&Sha256::digest(&content)) != digest.hex()
    {
        return Err(reading.error(format!("{path} is damaged: its digest is not its name"), "save the image again"));
    }
    parse(reading, path, &content)
}

fn parse<T: DeserializeOwned>(reading: &Reading<'_>, path: &str, content: &[u8]) -> Result<T> {
    serde_json::from_slice(content).map_err(|error| {
        reading.error(
            format!("{} is not what an image has there: {error}", printable(path.as_bytes())),
            "save the image again with a current docker, podman, buildah or skopeo",
        )
    })
}

fn bytes(reading: &Reading<'_>, blobs: &Blobs, path: &str) -> Result<Vec<u8>> {
    let shown = printable(path.as_bytes());
    let part =
        blobs.open(path)?.ok_or_else(|| reading.error(format!("{shown} is not in it"), "save the image again"))?;
    if part.bytes() > MAX_JSON {
        return Err(Error::TooLarge { path: reading.path.join(path), most: MAX_JSON });
    }
    read::rest(part.reader(), reading.path, MAX_JSON)
}
