//! Emitters of our crates: the reference implementation must be able to read everything that they
//! write.

use dacti_cdn::Layout;
use dacti_index::{Encoding, Entry, GroupHeader, emit_group, emit_header};
use dacti_names::{Name, emit_segment};
use dacti_tests::reference as by;
use daicon_core::{
    ComponentSpec, Error, ErrorKind, PreambleSpec, Region, Span, TableSpec, Version,
    emit_container, emit_extension,
};
use proptest::prelude::*;
use uuid::Uuid;

const PREAMBLE: PreambleSpec =
    PreambleSpec { format: Uuid::from_u128(7), version: Version::new(1, 0) };

/// A table that a caller asks for: its position, its extension offset, the number of free slots,
/// and its components.
type Asked = (u64, u64, u32, Vec<(u8, u16)>);

fn components(asked: &[(u8, u16)]) -> Vec<ComponentSpec> {
    let spec = |(id, major): &(u8, u16)| {
        ComponentSpec::with_data(Uuid::from_u128((*id).into()), Version::new(*major, 0), [0; 8])
    };
    asked.iter().map(spec).collect()
}

/// Returns positions at or near the parts of a small chain, and positions that are far away.
fn position() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0_u64..700,
        1 => Just(u64::MAX - 24),
        1 => Just(u64::MAX - 23),
        1 => Just(1 << 40),
    ]
}

fn asked() -> impl Strategy<Value = Asked> {
    let components = prop_oneof![
        8 => prop::collection::vec((any::<u8>(), 0..3_u16), 0..5),
        1 => (240_u16..280).prop_map(|n| (0..n).map(|i| (i as u8, i)).collect()),
    ];
    (position(), prop_oneof![2 => Just(0), 1 => position()], 0..4_u32, components)
}

/// Emits a chain of tables. Then writes an empty table at the extension offset of the last table.
fn emitted(asked: &[Asked]) -> Result<Vec<u8>, Error> {
    let lists: Vec<_> = asked.iter().map(|table| components(&table.3)).collect();
    let tables: Vec<_> = asked
        .iter()
        .zip(&lists)
        .map(|((at, extension_at, spare, _), components)| TableSpec {
            at: *at,
            extension_at: *extension_at,
            slots: components.len() as u32 + spare,
            components,
            ..TableSpec::default()
        })
        .collect();
    let mut file = vec![0xaa; 40_000];
    let end = emit_container(&PREAMBLE, &tables, &mut file)?;
    file.truncate(end);
    let next = tables.last().map_or(0, |last| last.extension_at) as usize;
    if next != 0 && next < 40_000 {
        file.resize(file.len().max(next + 24), 0xaa);
        file[next..next + 24].fill(0);
    }
    Ok(file)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..<_>::default() })]

    #[test]
    fn what_the_chain_emitter_accepts_the_reference_reads(
        first in asked(),
        rest in prop::collection::vec(asked(), 0..4),
    ) {
        // spec: R-EMIT-02, R-EMIT-03, R-EMIT-04
        let mut asked = vec![(28, first.1, first.2, first.3)];
        asked.extend(rest);
        match emitted(&asked) {
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Misuse),
            Ok(file) => {
                let last = asked.last().expect("there is one").1;
                match by::read_container(&file) {
                    Ok(read) => {
                        prop_assert_eq!(read.looped, None);
                        prop_assert!(read.ignored.is_empty());
                        let own = asked.iter().map(|table| table.3.len()).sum::<usize>();
                        prop_assert_eq!(read.components.len(), own);
                    }
                    // The extension offset of the last table lies after the end of the file.
                    Err(fault) => prop_assert_eq!((fault.kind, fault.at), ("truncated", last)),
                }
            }
        }
    }

    #[test]
    fn what_the_extension_emitter_accepts_the_reference_reads(
        (_, _, spare, list) in asked(),
        extension_at in position(),
    ) {
        // spec: R-EMIT-04, R-EXT-06
        prop_assume!(list.len() < 10);
        let Ok(mut file) = emitted(&[(28, 0, spare, list)]) else { return Ok(()) };
        let before = file.clone();
        match emit_extension(&mut file[28..], 28, extension_at) {
            Err(error) => {
                prop_assert_eq!(error.kind(), ErrorKind::Misuse);
                prop_assert_eq!(file, before);
            }
            Ok(()) if extension_at > 1000 => {}
            Ok(()) => {
                // Writes an empty table at the extension offset. This may be in the free slots of
                // the first table.
                let next = extension_at as usize;
                if next != 0 {
                    file.resize(file.len().max(next + 24), 0xaa);
                    file[next..next + 24].fill(0);
                }
                let read = by::read_container(&file).expect("it was accepted");
                prop_assert_eq!(read.looped, None);
            }
        }
    }

    #[test]
    fn what_the_group_emitter_accepts_the_reference_reads(
        base in prop_oneof![any::<u64>(), (0..1_u64 << 34).prop_map(|below| u64::MAX - below)],
        entries in prop::collection::vec(any::<(u128, u32, u32)>(), 0..6),
    ) {
        // spec: R-ENT-01
        let list: Vec<_> = entries
            .iter()
            .map(|(id, offset, size)| Entry::new(Uuid::from_u128(*id), *offset, *size))
            .collect();
        let header = GroupHeader::new(base, Encoding::NONE, list.len() as u8);
        let mut index = vec![0; 8 + 6136];
        emit_header(1, &mut index).expect("there is room");
        let read = |index: &[u8]| by::index_at(index, (0, index.len() as u64));
        match emit_group(&header, &list, &mut index[8..]) {
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Misuse),
            Ok(_) => {
                let read = read(&index).expect("it was accepted");
                for entry in &read.entries {
                    // In a file of the maximum length, the stored bytes of every accepted entry
                    // must lie inside the file.
                    prop_assert!(by::stored_span(entry, u64::MAX).is_ok());
                }
            }
        }
    }

    #[test]
    fn what_the_layout_emitter_accepts_the_reference_reads(
        slice_len in prop_oneof![(0..34_u32).prop_map(|n| 1_u64 << n), 0_u64..100_000],
        ends in 0_u64..9,
        off in prop_oneof![4 => Just(0_u64), 1 => 1_u64..5000],
        fences_end in prop_oneof![Just(16_440_u64), Just(1 << 32)],
    ) {
        // spec: R-LAY-08
        let layout = Layout {
            file_id: [7; 16],
            slice_len,
            fresh_end: ends * slice_len + off,
            delta_groups: 9,
            t1_slots: 16,
            t2_places: [504, 752],
            t2_slots: 8,
            fences: Span { start: 1536, end: fences_end },
        };
        let Ok(region) = layout.emit() else { return Ok(()) };
        let id = by::LAYOUT;
        let own = ComponentSpec::with_region(
            Uuid::from_bytes(id), Version::new(0, 1), Region::new(80, 80));
        let mut file = vec![0; 160];
        let table = TableSpec { components: &[own], ..TableSpec::default() };
        emit_container(&PREAMBLE, &[table], &mut file).expect("there is room");
        file[80..].copy_from_slice(&region);
        // The file must be long enough, because the reference checks that the layout's end lies in
        // it.
        prop_assume!(layout.fresh_end <= 4_000_000);
        file.resize(file.len().max(layout.fresh_end as usize), 0);
        let container = by::read_container(&file).expect("it was accepted");
        let read = by::read_layout(&file, &container).expect("it was accepted");
        prop_assert_eq!(read.map(|read| read.end), Some(layout.fresh_end));
    }

    #[test]
    fn what_the_segment_emitter_accepts_the_reference_reads(
        paths in prop::collection::vec("[a-c/.\u{308}u]{0,5}", 0..5),
        ids in prop::collection::vec(prop_oneof![Just(0_u128), any::<u128>()], 5),
    ) {
        // spec: R-NAME-07, R-PATH-02
        let names: Vec<_> = paths
            .iter()
            .zip(&ids)
            .map(|(path, id)| Name {
                path,
                explicit_id: Some(Uuid::from_u128(*id)),
                decoded_len: None,
                attributes: Default::default(),
            })
            .collect();
        if let Ok(content) = emit_segment(&names, None) {
            let read = by::segment(&content, content.len() as u64).expect("it was accepted");
            prop_assert_eq!(read.names.len(), names.len());
        }
    }
}

#[test]
fn the_reported_files_are_refused() {
    // spec: R-EMIT-04, R-EXT-06
    let misuse = |asked: Asked| emitted(&[asked]).map_err(|error| error.kind());
    for extension_at in [5, 28, 60] {
        let asked = (28, extension_at, 0, vec![(1, 0)]);
        assert_eq!(misuse(asked), Err(ErrorKind::Misuse), "{extension_at}");
    }
    let many = (0..300_u16).map(|n| (n as u8, n)).collect();
    assert_eq!(misuse((28, 0, 0, many)), Err(ErrorKind::Misuse));
    let mut file = emitted(&[(28, 0, 0, vec![(1, 0)])]).expect("one component");
    assert_eq!(
        emit_extension(&mut file[28..], 28, 5).map_err(|error| error.kind()),
        Err(ErrorKind::Misuse)
    );
}
