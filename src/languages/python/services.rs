//! botocore's data: the model of every service of AWS, of which a client reads that of its own service.

use std::collections::BTreeSet;

use super::needs::ID;
use crate::languages::Packages;
use crate::tree::{EntryId, Tree};

/// The distributions that make clients only for the services that the function names.
const NAME_NO_SERVICE: &[&str] = &["boto3", "botocore", "s3transfer"];

/// The services that botocore itself needs for some credentials.
const OF_CREDENTIALS: &[&str] = &["sts", "sso", "sso-oidc", "signin"];

/// The models of services that none of these names is that of. None if another distribution could make clients itself.
pub(super) fn unnamed(packages: &Packages, tree: &Tree, named: &BTreeSet<String>) -> BTreeSet<EntryId> {
    let is_other = |name: &str| !NAME_NO_SERVICE.contains(&name);
    let makes_clients = packages.of_language(ID).filter(|package| is_other(&package.name)).any(|package| {
        let required = package.requires.iter().map(|required| required.package.as_str());
        required.chain([package.name.as_str()]).any(|name| matches!(name, "boto3" | "botocore" | "aiobotocore"))
    });
    let directories =
        packages.copies(ID, "botocore").filter_map(|position| packages.get(position).library.join("botocore/data"));
    let mut found = BTreeSet::new();
    for data in directories.filter(|_| !makes_clients) {
        for (id, entry) in tree.below(&data).filter(|(_, entry)| !entry.is_directory()) {
            // What is directly in data/ is for all services.
            let below = entry.path.below(&data).and_then(|below| std::str::from_utf8(below).ok());
            let Some((service, _)) = below.and_then(|below| below.split_once('/')) else { continue };
            if !named.contains(service) && !OF_CREDENTIALS.contains(&service) {
                found.insert(id);
            }
        }
    }
    found
}
