//! A set of synthetic vector tiles: many small files that are not text, of which many are equal.
//!
//! A tile is a message of the Mapbox Vector Tile specification, version 2: layers with lines and
//! points, and with tags that many tiles have in common. Tiles of the sea are equal.

use std::fs;
use std::io;
use std::path::Path;

/// The zoom level. At zoom level n, a map has 2^n tiles in each direction.
const ZOOM: u32 = 7;
/// The number of tiles along each side of a square. The tiles of a square are all sea or all land.
const SQUARE: u32 = 8;
const LAYERS: [&str; 4] = ["transportation", "building", "poi", "landuse"];
const KEYS: [&str; 4] = ["class", "name", "surface", "ref"];
const CLASSES: [&str; 8] =
    ["motorway", "primary", "secondary", "residential", "footway", "cycleway", "service", "track"];
const SYLLABLES: [&str; 8] = ["berg", "dorf", "feld", "hof", "kirch", "muehl", "stein", "wald"];

/// Writes the tiles as `Z/X/Y.mvt` below `folder`. Each call writes the same bytes.
pub fn write(folder: &Path) -> io::Result<()> {
    for x in 0..1 << ZOOM {
        let column = folder.join(format!("{ZOOM}/{x}"));
        fs::create_dir_all(&column)?;
        for y in 0..1 << ZOOM {
            fs::write(column.join(format!("{y}.mvt")), tile(x, y))?;
        }
    }
    Ok(())
}

fn tile(x: u32, y: u32) -> Vec<u8> {
    let square = u64::from(x / SQUARE) << 32 | u64::from(y / SQUARE);
    if Random(square).next(2) == 0 {
        let sea = feature(3, &[], &[9, 0, 0, 26, 8192, 0, 0, 8192, 8191, 0, 15]);
        return message(&[(3, layer("water", &[sea], &[]))]);
    }
    let mut random = Random(u64::from(x) << 32 | u64::from(y) | 1 << 63);
    let layers = LAYERS.map(|name| (3, land(name, &mut random)));
    message(&layers)
}

/// Returns a layer with some lines. Each line has a class and a name.
fn land(name: &str, random: &mut Random) -> Vec<u8> {
    let count = 4 + random.next(24);
    let (mut features, mut values) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let class = CLASSES[random.next(CLASSES.len())].to_owned();
        let syllables = [0; 2].map(|_| SYLLABLES[random.next(SYLLABLES.len())]);
        let tags = [(0, class), (1, syllables.concat())].map(|(key, value)| {
            let at = values.iter().position(|known| *known == value).unwrap_or_else(|| {
                values.push(value);
                values.len() - 1
            });
            [key, at as u32]
        });
        let points = 2 + random.next(10);
        let mut geometry = vec![9, random.below(4096) * 2, random.below(4096) * 2];
        geometry.push((points as u32) << 3 | 2);
        geometry.extend((0..points * 2).map(|_| random.below(128)));
        features.push(feature(2, &tags.concat(), &geometry));
    }
    layer(name, &features, &values)
}

fn layer(name: &str, features: &[Vec<u8>], values: &[String]) -> Vec<u8> {
    let mut fields = vec![(1, name.as_bytes().to_vec())];
    fields.extend(features.iter().map(|feature| (2, feature.clone())));
    fields.extend(KEYS.iter().map(|key| (3, key.as_bytes().to_vec())));
    fields.extend(values.iter().map(|value| (4, message(&[(1, value.as_bytes().to_vec())]))));
    let mut out = message(&fields);
    // The extent is 4096, and the version is 2.
    for number in [5 << 3, 4096, 15 << 3, 2] {
        varint(&mut out, number);
    }
    out
}

fn feature(kind: u32, tags: &[u32], geometry: &[u32]) -> Vec<u8> {
    let packed = |numbers: &[u32]| {
        let mut out = Vec::new();
        numbers.iter().for_each(|number| varint(&mut out, *number));
        out
    };
    let mut out = message(&[(2, packed(tags))]);
    varint(&mut out, 3 << 3);
    varint(&mut out, kind);
    out.extend(message(&[(4, packed(geometry))]));
    out
}

/// Returns fields of bytes, each with its number.
fn message(fields: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, bytes) in fields {
        varint(&mut out, number << 3 | 2);
        varint(&mut out, bytes.len() as u32);
        out.extend_from_slice(bytes);
    }
    out
}

fn varint(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A generator of numbers that are the same in each run (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) as usize % below
    }

    fn below(&mut self, below: usize) -> u32 {
        self.next(below) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::tile;

    #[test]
    fn half_of_the_squares_are_sea_and_no_two_tiles_of_land_are_equal() {
        let tiles: Vec<_> = (0..64).flat_map(|x| (0..64).map(move |y| tile(x, y))).collect();
        let mut kinds = tiles.clone();
        kinds.sort();
        kinds.dedup();
        let sea = tiles.len() - kinds.len() + 1;
        assert!((tiles.len() / 4..tiles.len() * 3 / 4).contains(&sea), "{sea}");
        // The first field is a layer (number 3, wire type 2), and its first field is the name.
        assert!(tiles.iter().all(|tile| tile[0] == 0x1a && tile.len() < 16_384));
    }
}
