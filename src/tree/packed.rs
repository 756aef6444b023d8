//! Packed: layers that `pack` wrote, and images in directories of files, somewhere in a tree. In a layer, both would be files that
//! nothing unpacks; in a directory that was named as a tree, they are what should have been named.

use std::os::unix::ffi::OsStrExt;

use serde::Deserialize;

use super::listing::{Listing, extension, join};
use super::nesting::FOUND_BY_LAMBDA;
use super::{EntryId, Kind, Magic, Tree};
use crate::base::finding::{Code, Finding};
use crate::base::path::{TreePath, printable};
use crate::base::read::MAX_MANIFEST;
use crate::base::subject::Subject;
use crate::formats::oci::{
    DIRECTORY_VERSION, DOCKER_MANIFEST, INDEX, LAYOUT, is_directory_of_skopeo, is_list_of_docker,
};

/// The manifest beside the zips that `pack` writes.
const MANIFEST: &str = "manifest.json";

/// How much of a file tells what it is.
const HEAD: usize = 64 << 10;

/// Directories of the search paths, and of installations: with ELF files in one, a tree is a layer.
const OF_A_LAYER: &[&str] = &["bin", "lib", "lib64", "R", "local", "usr", "share"];

/// What tells packed layers from the manifest of another program.
#[derive(Deserialize)]
struct Manifest {
    #[serde(rename = "schema")]
    _schema: u32,
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    zip: String,
    #[serde(rename = "sha256")]
    _sha256: String,
}

/// Layers that `pack` wrote: a manifest beside zips that it lists. It is an error but in a tree that is a layer itself.
pub(super) fn packed_layers(listing: &Listing<'_>, tree: &Tree) -> Option<Finding> {
    let mut found = listing.paths().filter(|directory| has_packed_layers(listing, tree, directory));
    let directory = found.next()?;
    let more = match found.count() {
        0 => String::new(),
        more => format!(" (and in {more} more)"),
    };
    let place = if directory.is_empty() { "its root".to_owned() } else { format!("{directory}/") };
    let message = format!(
        "the content in {place}{more} is layers that `layerfit pack` wrote: in a layer, their zips would be files that nothing unpacks"
    );
    let help = match shown(tree, directory) {
        Some(shown) => {
            format!("name {shown}, which has the packed layers, or the directory that will be /opt")
        }
        None => {
            "name the packed layers themselves: unpack the archive, and name the directory with the manifest".to_owned()
        }
    };
    let subject = Subject::Path(join(directory, MANIFEST));
    let finding = if is_layer(listing, tree) { Finding::warning } else { Finding::error };
    Some(finding(Code::OnlyArchives, subject, message, help))
}

fn has_packed_layers(listing: &Listing<'_>, tree: &Tree, directory: &str) -> bool {
    let Some(files) = listing.names(directory).map(|names| &names.files) else { return false };
    if !files.contains(MANIFEST) || !files.iter().any(|name| extension(name) == "zip") {
        return false;
    }
    let Some(id) = file(tree, &join(directory, MANIFEST)).filter(|id| tree.entry(*id).bytes() <= MAX_MANIFEST) else {
        return false;
    };
    let manifest = tree.read(id).ok().and_then(|text| serde_json::from_slice::<Manifest>(&text).ok());
    manifest.is_some_and(|manifest| manifest.layers.iter().any(|layer| files.contains(&layer.zip)))
}

/// A container image in files, whose layers are archives. In a tree that is a layer, one below the root is data.
pub(super) fn unpacked_image(listing: &Listing<'_>, tree: &Tree) -> Option<Finding> {
    // In a zip, only what is all of it.
    let mut directories = listing.paths().filter(|directory| directory.is_empty() || tree.root().is_some());
    let of_directory =
        |directory| form(listing, tree, directory).map(|(form, marker): (Form, &str)| (directory, form, marker));
    let (directory, form, marker) = directories.find_map(of_directory)?;
    if listing.names("")?.files.contains("bootstrap") || (!directory.is_empty() && is_layer(listing, tree)) {
        return None;
    }
    let message = "the content is a container image, whose layers are archives: Lambda does not unpack them";
    let subject = Subject::Path(join(directory, marker));
    let Some(shown) = shown(tree, directory) else {
        let help = "name the image where a tree is packed: layerfit pack IMAGE.tar takes its /opt";
        return Some(Finding::warning(Code::OnlyArchives, subject, message, help));
    };
    let help = match form {
        Form::Oci if listing.has(directory, INDEX) => format!("name the image itself: layerfit plan {shown}"),
        Form::Skopeo => format!(
            "give the image as an OCI layout or an archive: skopeo copy dir:{shown} oci:IMAGE, then layerfit plan IMAGE"
        ),
        _ => "name the archive that the image was saved to, without unpacking it: layerfit plan IMAGE.tar".to_owned(),
    };
    Some(Finding::error(Code::OnlyArchives, subject, message, help))
}

/// How an image is in files.
#[derive(Clone, Copy)]
enum Form {
    /// An OCI image layout.
    Oci,
    /// An unpacked archive of `docker save`.
    Docker,
    /// What skopeo writes to `dir:`.
    Skopeo,
}

/// The image that a directory is, and the file that tells.
fn form(listing: &Listing<'_>, tree: &Tree, directory: &str) -> Option<(Form, &'static str)> {
    let names = listing.names(directory)?;
    if names.files.contains(LAYOUT) && listing.has_directory(&join(directory, "blobs")) {
        return Some((Form::Oci, LAYOUT));
    }
    if !names.files.contains(DOCKER_MANIFEST) {
        return None;
    }
    let head = |name: &str| file(tree, &join(directory, name)).and_then(|id| tree.read_head(id, HEAD).ok());
    let has_layers = || names.directories.iter().any(|name| listing.has(&join(directory, name), "layer.tar"));
    if names.files.contains(DIRECTORY_VERSION)
        && head(DIRECTORY_VERSION).is_some_and(|head| is_directory_of_skopeo(&head))
    {
        Some((Form::Skopeo, DOCKER_MANIFEST))
    } else if has_layers() || head(DOCKER_MANIFEST).is_some_and(|head| is_list_of_docker(&head)) {
        Some((Form::Docker, DOCKER_MANIFEST))
    } else {
        None
    }
}

/// Whether a tree is a layer whatever else is in it: it has a bootstrap, or programs and libraries where layers have them.
fn is_layer(listing: &Listing<'_>, tree: &Tree) -> bool {
    let of_a_layer = |top: &[u8]| OF_A_LAYER.iter().chain(FOUND_BY_LAMBDA).any(|name| name.as_bytes() == top);
    listing.names("").is_some_and(|names| names.files.contains("bootstrap"))
        || tree.iter().any(|(_, entry)| {
            let is_elf = matches!(entry.kind, Kind::File { magic: Magic::Elf, .. });
            is_elf && entry.path.as_bytes().split(|byte| *byte == b'/').next().is_some_and(of_a_layer)
        })
}

/// The regular file at a path.
fn file(tree: &Tree, path: &str) -> Option<EntryId> {
    TreePath::new(path.as_bytes()).and_then(|path| tree.find(&path)).filter(|id| tree.entry(*id).is_file())
}

/// A directory of a tree that was named as a directory, as it can be named.
fn shown(tree: &Tree, directory: &str) -> Option<String> {
    let root = tree.root()?;
    let path = if directory.is_empty() { root.to_owned() } else { root.join(directory) };
    Some(printable(path.as_os_str().as_bytes()).into_owned())
}
