//! Dynamic symbols: those that a file defines, and those that it leaves undefined (elf(5), `Elf64_Sym`).

use std::collections::{BTreeMap, HashSet};

use goblin::container::Ctx;
use goblin::elf::sym::{STB_GLOBAL, STB_WEAK, STV_DEFAULT, STV_PROTECTED, Sym};
use scroll::Pread;

use super::{NeededVersion, Strings};

/// The dynamic symbols of a file: defined and undefined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Symbols {
    defined: HashSet<String>,
    undefined: Vec<Undefined>,
}

/// An undefined symbol: another object has to define it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undefined {
    /// Its name.
    pub name: String,
    /// Whether it may stay undefined (`STB_WEAK`).
    pub weak: bool,
    /// Its number in the file's version tables; 0 and 1 mean no version (`VER_NDX_LOCAL`, `VER_NDX_GLOBAL`).
    version: u16,
}

impl Undefined {
    /// Whether it is needed with a version, and so from a specific library.
    pub fn is_versioned(&self) -> bool {
        self.version > 1
    }
}

impl Symbols {
    /// Whether the file defines a symbol of this name that others can see.
    pub fn defines(&self, name: &str) -> bool {
        self.defined.contains(name)
    }

    /// The names it defines, in no order.
    pub fn defined(&self) -> impl Iterator<Item = &str> {
        self.defined.iter().map(String::as_str)
    }

    /// Its undefined symbols, in the order of its symbol table.
    pub fn undefined(&self) -> &[Undefined] {
        &self.undefined
    }

    /// Reads `count` symbols from `table`, with the versions at `versions`; `None` when they are truncated.
    pub(super) fn read(
        bytes: &[u8],
        table: usize,
        count: usize,
        versions: Option<usize>,
        strings: &Strings<'_>,
        ctx: Ctx,
    ) -> Option<Self> {
        let mut symbols = Self::default();
        let table = Sym::parse(bytes.get(table..)?, 0, count, ctx).ok()?;
        for (number, symbol) in table.iter().enumerate().skip(1) {
            let weak = symbol.st_bind() == STB_WEAK;
            // Any other binding that is not local counts as global (STB_GNU_UNIQUE).
            if !weak && symbol.st_bind() < STB_GLOBAL {
                continue;
            }
            let name = strings.get(symbol.st_name as u64).ok()?;
            if name.is_empty() {
                continue;
            }
            if symbol.st_shndx == 0 {
                let version = match versions {
                    Some(start) => bytes.pread_with::<u16>(start.checked_add(number * 2)?, ctx.le).ok()? & 0x7fff,
                    None => 0,
                };
                symbols.undefined.push(Undefined { name, weak, version });
            } else if matches!(symbol.st_visibility(), STV_DEFAULT | STV_PROTECTED) {
                symbols.defined.insert(name);
            }
        }
        Some(symbols)
    }

    /// Sets for each needed version one symbol that is needed with it.
    pub(super) fn name_versions(&self, numbers: &[(u16, usize)], needed: &mut [NeededVersion]) {
        let mut first: BTreeMap<u16, &str> = BTreeMap::new();
        for symbol in self.undefined.iter().filter(|symbol| symbol.is_versioned()) {
            first.entry(symbol.version).or_insert(&symbol.name);
        }
        for (number, position) in numbers {
            needed[*position].symbol = first.get(number).map(|name| (*name).to_owned());
        }
    }
}

/// How many symbols there are, by the older hash table: it has a chain entry for each (`DT_HASH`).
pub(super) fn count_by_hash(bytes: &[u8], hash: usize, ctx: Ctx) -> Option<usize> {
    // [bucket count, chain count, …]; four bytes each on every machine that Lambda has.
    let count = bytes.pread_with::<u32>(hash.checked_add(4)?, ctx.le).ok()?;
    usize::try_from(count).ok()
}

/// How many symbols there are, by the newer hash table: the last chain ends with the last symbol (`DT_GNU_HASH`).
pub(super) fn count_by_gnu_hash(bytes: &[u8], hash: usize, ctx: Ctx) -> Option<usize> {
    let table = bytes.get(hash..)?;
    let word = |at: usize| table.pread_with::<u32>(at, ctx.le).ok();
    let buckets = usize::try_from(word(0)?).ok()?;
    let first_hashed = word(4)?;
    let bloom_words = usize::try_from(word(8)?).ok()?;
    let bloom_bytes = bloom_words.checked_mul(if ctx.container.is_big() { 8 } else { 4 })?;
    let bucket_start = bloom_bytes.checked_add(16)?;
    let chain_start = buckets.checked_mul(4)?.checked_add(bucket_start)?;
    let mut last = 0;
    for bucket in table.get(bucket_start..chain_start)?.chunks_exact(4) {
        last = last.max(bucket.pread_with::<u32>(0, ctx.le).ok()?);
    }
    if last < first_hashed {
        // Nothing is defined: all symbols are outside the chains.
        return usize::try_from(first_hashed).ok();
    }
    loop {
        let chain = usize::try_from(last - first_hashed).ok()?.checked_mul(4)?.checked_add(chain_start)?;
        last = last.checked_add(1)?;
        if word(chain)? & 1 == 1 {
            return usize::try_from(last).ok();
        }
    }
}
