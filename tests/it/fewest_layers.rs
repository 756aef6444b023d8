//! Units go into the fewest layers within all three limits; what cannot fit is said, with what would help.

use crate::support::{
    World, assert_finding, assert_fired_and_nearly_missed, assert_no_finding, findings, noise, zip_entries,
};
use layerfit::base::finding::Code;

/// Packages of this many thousand bytes each, which do not compress.
fn packages(sizes: &[usize]) -> World {
    let world = World::new();
    for (number, size) in sizes.iter().enumerate() {
        let name = format!("p{number}");
        world.file(
            format!("library/{name}/DESCRIPTION"),
            format!("Package: {name}\nVersion: 1.0\nBuilt: R 4.2.2; ; ; unix\n"),
        );
        world.file(format!("library/{name}/data/x"), noise(number as u64 + 1, size * 1000));
    }
    world
}

#[test]
fn the_fewest_layers_are_found_and_proven() {
    let world = packages(&[60, 50, 40, 40, 40, 30]);
    let (code, report) = world.json(&["plan", "ROOT", "--max-zipped", "132000", "--ignore", "R101"]);
    assert_eq!(code, 0);
    assert_eq!(report["packing"], serde_json::json!({"layers": 2, "lower_bound": 2, "optimal": true}));
    for layer in report["layers"].as_array().expect("layers") {
        assert!(layer["zipped_bytes"].as_u64().expect("bytes") <= 132_000);
    }
}

#[test]
fn a_unit_stays_in_one_layer() {
    let world = packages(&[30, 30, 30]);
    let (_, report) = world.json(&["plan", "ROOT", "--max-zipped", "70000B"]);
    for unit in report["units"].as_array().expect("units") {
        assert_eq!(unit["layers"].as_array().expect("layers").len(), 1, "{unit}");
    }
}

#[test]
fn a_unit_over_a_layers_limit_is_split_by_file() {
    let world = packages(&[10]);
    for part in 0..4 {
        world.file(format!("library/p0/extdata/{part}"), noise(100 + part, 30_000));
    }
    let (code, report) = world.json(&["pack", "ROOT", "-o", "OUT", "--max-zipped", "72000B", "--ignore", "R101"]);
    assert_eq!(code, 0);
    assert_eq!(report["units"][0]["layers"], serde_json::json!(["layer-1", "layer-2"]));
    let mut names: Vec<String> = ["layer-1.zip", "layer-2.zip"]
        .iter()
        .flat_map(|zip| zip_entries(&world.beside("out").join(zip)))
        .map(|(name, _, _)| name)
        .collect();
    names.sort();
    assert_eq!(names.len(), 6, "{names:?}");
}

#[test]
fn too_many_layers_is_an_error_that_names_the_largest_units() {
    let world = packages(&[60, 50, 40]);
    let check =
        |layers| world.json(&["check", "ROOT", "--max-zipped", "70000B", "--max-layers", layers, "--ignore", "R101"]);
    let (code, report) = check("2");
    assert_eq!(code, 1);
    assert_eq!(report["fits"], false);
    assert_finding(&report, "F103", "layers", "3 layers are needed and 2 are allowed");
    let help = report["findings"].as_array().expect("findings").iter().find(|f| f["code"] == "F103").expect("there");
    assert!(help["help"].as_str().expect("help").contains("pkg:p0 (58.87 KiB"), "{help}");
    let (code, report) = check("3");
    assert_eq!(code, 0);
    assert_no_finding(&report, "F103");
}

#[test]
fn the_unzipped_limit_is_for_function_and_layers_together() {
    let world = World::new();
    world.file("zeros", vec![0; 100_000]);
    assert_eq!(world.json(&["plan", "ROOT", "--max-unzipped", "100000"]).0, 0);
    let (code, report) = world.json(&["plan", "ROOT", "--max-unzipped", "100000", "--function-size", "1B"]);
    assert_eq!(code, 1);
    assert_finding(&report, "F102", "layers", "97.66 KiB unzipped are 1 B over");
}

#[test]
fn a_file_that_no_layer_holds_is_named() {
    let world = packages(&[60, 10]);
    let (code, report) = world.json(&["plan", "ROOT", "--max-zipped", "50000B"]);
    assert_eq!(code, 1);
    assert_finding(&report, "F104", "library/p0/data/x", "a layer can have 48.83 KiB");
}

#[test]
fn a_file_exactly_as_large_as_a_layer_fits_and_one_byte_more_does_not() {
    let world = World::new();
    world.file("x", noise(1, 1000));
    let (_, report) = world.json(&["plan", "ROOT"]);
    let exact = report["layers"][0]["zipped_bytes"].as_u64().expect("bytes");
    assert_eq!(exact, 1000 + 30 + 46 + 2 + 22, "stored: noise does not deflate");
    assert_eq!(world.json(&["plan", "ROOT", "--max-zipped", &format!("{exact}B")]).0, 0);
    assert_eq!(world.json(&["plan", "ROOT", "--max-zipped", &format!("{}B", exact - 1)]).0, 1);
}

#[test]
fn checks_can_be_left_out() {
    let world = World::new();
    world.file("lib/bad.so", b"\x7fELF");
    let (code, report) = world.json(&["plan", "ROOT", "--ignore", "L101"]);
    assert_eq!((code, report["ignored"].as_u64()), (0, Some(1)));
    assert!(findings(&report, "L101").is_empty());
}

#[test]
fn more_entries_than_a_zip_can_count_are_an_error() {
    let world = World::new();
    // Hard links to a few files: a file system makes them several times faster than files, and has at most 65,000 for each.
    for file in 0..4 {
        world.file(format!("share/{file}/0"), "");
        let first = world.root().join(format!("share/{file}/0"));
        for number in 1..16_384 - 1 {
            std::fs::hard_link(&first, first.with_file_name(number.to_string())).expect("linked");
        }
    }
    world.file("two", "").file("more", "");
    let (code, report) = world.json(&["check", "ROOT", "--level", "fast"]);
    assert_no_finding(&report, "F105");
    assert_eq!((code, report["totals"]["kept"]["files"].as_u64()), (0, Some(65_534)));
    world.file("last", "");
    let (code, report) = world.json(&["pack", "ROOT", "-o", "OUT", "--level", "fast"]);
    assert_eq!((code, report["fits"].as_bool()), (1, Some(false)));
    assert_finding(&report, "F105", "layer-1", "has 65535 entries");
    assert!(!world.beside("out").exists());
    assert_fired_and_nearly_missed(Code::TooManyEntries);
}

#[test]
fn what_is_compressed_harder_for_nothing_is_packed_as_if_it_had_not_been() {
    let world = World::new();
    // Hexadecimal digits: deflate halves them, and no level does better. Text: a higher level does.
    let hex = |seed: u64| noise(seed, 30_000).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let words = noise(9, 40_000).iter().map(|byte| format!("word{} ", byte % 61)).collect::<String>();
    world.file("one/hex", hex(1)).file("two/hex", hex(2)).file("two/words", &words);
    let (_, wide) = world.json(&["plan", "ROOT"]);
    let zipped = wide["layers"][0]["zipped_bytes"].as_u64().expect("bytes");
    let (_, hardest) = world.json(&["plan", "ROOT", "--level", "max"]);
    let least = hardest["layers"][0]["zipped_bytes"].as_u64().expect("bytes");
    assert!(least < zipped && least > zipped - zipped / 8, "{least} {zipped}");

    // As little as the highest level makes it, one layer does, and the report says what was done for that.
    let limit = format!("{least}B");
    let (_, hard) = world.json(&["pack", "ROOT", "-o", "OUT", "--max-zipped", &limit]);
    assert_eq!(hard["layers"].as_array().expect("layers").len(), 1, "{:#}", hard["layers"]);
    assert!(hard["recompressed"]["saved_bytes"].as_u64() >= Some(zipped - least), "{:#}", hard["recompressed"]);
    assert_eq!(
        std::fs::metadata(world.beside("out/layer-1.zip")).expect("written").len(),
        hard["layers"][0]["zipped_bytes"]
    );

    // A byte less is out of reach: everything is as if nobody had tried.
    let limit = format!("{}B", least - 1);
    let (_, soft) = world.json(&["pack", "ROOT", "-o", "OUT", "--max-zipped", &limit]);
    assert_eq!(soft["layers"].as_array().expect("layers").len(), 2);
    assert!(soft["recompressed"].is_null(), "{:#}", soft["recompressed"]);
    let packed: u64 =
        soft["layers"].as_array().expect("layers").iter().map(|l| l["zipped_bytes"].as_u64().expect("bytes")).sum();
    assert_eq!(packed, zipped + 22, "one more end of a zip");
    let written: u64 = ["layer-1.zip", "layer-2.zip"]
        .iter()
        .map(|zip| std::fs::metadata(world.beside("out").join(zip)).expect("written").len())
        .sum();
    assert_eq!(written, packed);
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(world.beside("out/manifest.json")).expect("read")).expect("JSON");
    let entries = manifest["layers"]
        .as_array()
        .expect("layers")
        .iter()
        .flat_map(|layer| layer["entries"].as_array().expect("entries"));
    let compressed: u64 = entries.clone().map(|entry| entry["compressed"].as_u64().expect("bytes")).sum();
    let headers: u64 = entries.map(|entry| 76 + 2 * entry["path"].as_str().expect("a path").len() as u64).sum();
    assert_eq!(compressed + headers + 44, packed);
}

#[test]
fn a_file_exactly_as_large_as_a_layer_fits_beside_others_of_its_unit() {
    let world = World::new();
    world.file("share/x", noise(1, 1000)).file("share/y", noise(2, 10));
    // The file, its two headers with its name, and the end of the zip.
    let exact = 1000 + 76 + 2 * 7 + 22;
    let plan = |limit: usize| world.json(&["plan", "ROOT", "--max-zipped", &format!("{limit}B")]);
    let (code, report) = plan(exact);
    assert_eq!((code, report["layers"].as_array().expect("layers").len()), (0, 2), "{:#}", report["findings"]);
    assert_no_finding(&report, "F104");
    let (code, report) = plan(exact - 1);
    assert_eq!(code, 1);
    assert_finding(&report, "F104", "share/x", "in a zip of its own");
}
