//! The names list, and the ids of paths. Compares `dacti-names` with fixtures and with the
//! reference.

use crate::support::{self, fixtures, id_of, names_verdict, uuid_of};
use dacti_names::{
    Attributes, Error, NAMES_ID, NAMESPACE, Name, PathFault, Segment, Time, check_path,
    emit_segment, region_id,
};
use dacti_tests::reference::{self as by, UNKNOWN, id};
use dacti_tests::{dump, expect};
use proptest::prelude::*;

/// Returns the names of a segment, in the form of a fixture's dump. The link is checked as if the
/// segment were at the start of a file.
pub fn ours(content: &[u8]) -> Result<String, String> {
    let segment = Segment::parse(content).map_err(|error| names_verdict(&error))?;
    if let Some(link) = segment.link() {
        link.span_before(expect::SEGMENT_AT).map_err(|error| names_verdict(&error))?;
    }
    let line = |name: Name<'_>| {
        let time = name.attributes.modified.map(|time| (time.secs(), time.nanos()));
        dump::name(name.path, &id_of(name.id()), name.decoded_len.unwrap_or(UNKNOWN))
            + &dump::kept(time, name.attributes.executable)
    };
    Ok(segment.names().map(line).collect())
}

#[test]
fn fixtures_of_names() {
    support::check("names", 44, ours);
}

#[test]
fn ids_of_paths_are_those_of_the_specification() {
    // spec: R-PATH-04
    assert_eq!(id_of(NAMESPACE), by::PATHS);
    for (path, expected) in [
        ("a.txt", "d9605574-3c5e-5a23-81f4-04e95c3cdd40"),
        ("hello.txt", "3d97e44e-13d6-543b-ac7c-a138f7307a35"),
        ("docs/index.html", "4ddd22e9-9b68-59b0-bdd6-a8ed98a35897"),
        ("b/ü.txt", "81065181-db1f-5328-aa90-1797eab522a2"),
    ] {
        assert_eq!(id_of(region_id(path).expect("a good path")), id(expected), "{path}");
        assert_eq!(by::path_id(path), id(expected), "the reference agrees on {path}");
    }
}

#[test]
fn paths_keep_the_rules() {
    // spec: R-PATH-01, R-PATH-02, R-PATH-03
    let long = "n".repeat(4096);
    let parts = "a/".repeat(2047) + "ab";
    for good in ["a", "a/b", "...", "a..", "..a", ".a", " ", "\\", "C:", "a\nb", "ü", &long, &parts]
    {
        assert_eq!(check_path(good), Ok(good));
        assert!(by::path_is_good(good.as_bytes()), "{good:?}");
    }
    let too_long = "n".repeat(4097);
    for (bad, fault) in [
        ("", PathFault::Empty),
        (&too_long, PathFault::TooLong),
        ("a\0", PathFault::Nul),
        ("u\u{308}", PathFault::NotNfc),
        ("\u{212b}", PathFault::NotNfc),
        ("/", PathFault::EmptyPart),
        ("/a", PathFault::EmptyPart),
        ("a/", PathFault::EmptyPart),
        ("a//b", PathFault::EmptyPart),
        (".", PathFault::DotPart),
        ("..", PathFault::DotPart),
        ("a/./b", PathFault::DotPart),
        ("a/..", PathFault::DotPart),
    ] {
        let Err(error) = check_path(bad) else { panic!("{bad:?} is taken") };
        assert!(
            matches!(error, Error::Path { fault: found, .. } if found == fault),
            "{bad:?}: {error}"
        );
        assert_eq!(names_verdict(&error), "error misuse path at 0x0");
        assert!(region_id(bad).is_err() && !by::path_is_good(bad.as_bytes()), "{bad:?}");
    }
}

#[test]
fn a_path_of_a_segment_is_found_and_no_other() {
    // spec: R-NAME-07
    for fixture in fixtures("names").into_iter().filter(support::Fixture::is_good) {
        let segment = Segment::parse(&fixture.bytes).expect("the fixture is good");
        let expected = by::segment(&fixture.bytes, 0).expect("the fixture is good");
        assert_eq!(segment.len(), expected.names.len(), "{}", fixture.name);
        for name in &expected.names {
            let found = segment.find(&name.path).expect("it is listed");
            assert_eq!((found.path, id_of(found.id())), (&name.path[..], name.id));
        }
        assert_eq!(segment.find("no such path"), None);
    }
}

#[test]
fn links_lead_back_only() {
    // spec: R-NAME-10
    let parse = |at, size, start| {
        let link = by::Link { at, size, encoding: by::NONE, decoded: 7 };
        let content = by::names(link, &[]);
        let link =
            Segment::parse(&content).expect("a link is not judged before it is followed").link();
        let span = link.expect("it is not 0").span_before(start);
        span.map(|span| (span.start, span.end)).map_err(|error| names_verdict(&error))
    };
    let refused = || Err("error corrupt names link at 0x8".to_owned());
    assert_eq!(parse(100, 20, 120), Ok((100, 120)));
    assert_eq!(parse(100, 20, 119), refused());
    assert_eq!(parse(120, 0, 120), Ok((120, 120)));
    assert_eq!(parse(121, 0, 120), refused());
    assert_eq!(parse(u64::MAX, 1, u64::MAX), refused());
    assert_eq!(parse(1, u32::MAX, 1 << 32), Ok((1, 1 << 32)));
}

#[test]
fn reserved_ids_are_not_given_to_paths() {
    // spec: R-NAME-09
    let name = Name::hashed("a").expect("a good path");
    for reserved in [uuid_of([0; 16]), NAMES_ID] {
        let error = emit_segment(&[Name { explicit_id: Some(reserved), ..name }], None)
            .expect_err("it is reserved");
        assert_eq!(names_verdict(&error), "error misuse names record at 0x0");
    }
    assert_eq!(id_of(NAMES_ID), by::NAMES);
}

#[test]
fn a_segment_cut_anywhere_is_refused_as_by_the_reference() {
    // spec: R-NAME-03
    let fixture = fixtures("names").into_iter().find(|f| f.name.starts_with("names_example"));
    let content = fixture.expect("the fixture is committed").bytes;
    for len in 0..content.len() {
        let expected = by::segment(&content[..len], 0).expect_err("it is cut").to_string();
        assert_eq!(ours(&content[..len]), Err(expected), "cut to {len} bytes");
    }
}

#[test]
fn every_single_byte_changed_is_read_as_by_the_reference() {
    let fixture = fixtures("names").into_iter().find(|f| f.name.starts_with("names_example"));
    let content = fixture.expect("the fixture is committed").bytes;
    for at in 0..content.len() {
        for byte in 0..=255 {
            let mut changed = content.clone();
            changed[at] = byte;
            let expected = expect::dump_of("names", &changed).map_err(|fault| fault.to_string());
            assert_eq!(ours(&changed), expected, "{byte:#x} at {at:#x}");
        }
    }
}

/// Returns a short valid path. It has few different letters, so that many paths have equal
/// beginnings and the order is tested.
fn any_path() -> impl Strategy<Value = String> {
    let part =
        prop::sample::select(vec!["a", "b", "ab", "a-b", "ü", "..a", "A", "\u{10ffff}", "~", " "]);
    prop::collection::vec(part, 1..5).prop_map(|parts| parts.join("/"))
}

proptest! {
    #[test]
    fn ids_of_paths_are_those_of_the_reference(path in any_path()) {
        // spec: R-PATH-04
        prop_assert_eq!(region_id(&path).map(id_of), Ok(by::path_id(&path)));
    }

    #[test]
    fn paths_are_judged_as_by_the_reference(path in any::<String>()) {
        // spec: R-PATH-01, R-PATH-02
        prop_assert_eq!(check_path(&path).is_ok(), by::path_is_good(path.as_bytes()));
    }

    #[test]
    fn segments_are_emitted_as_the_reference_writes_them(
        names in prop::collection::btree_map(
            any_path(),
            any::<(Option<u128>, Option<u32>, Option<(i64, u32)>, Option<bool>)>(),
            0..30,
        ),
        link in prop::option::of(any::<(u64, u32, u64)>()),
    ) {
        // spec: R-NAME-05, R-NAME-07, R-NAME-03
        let link = link.filter(|(at, ..)| *at != 0);
        let reference: Vec<_> = names.iter().map(|(path, (chosen, length, ..))| by::Name {
            id: chosen.filter(|id| *id != 0).map_or([0; 16], u128::to_be_bytes),
            length: length.map_or(UNKNOWN, u64::from),
            path: path.clone().into_bytes(),
        }).collect();
        let mut expected_link = by::Link::default();
        if let Some((at, size, decoded)) = link {
            expected_link = by::Link { at, size, encoding: by::BROT, decoded };
        }
        let kept: Vec<_> = names.values().map(|(_, _, time, program)| {
            let time = time.map(|(seconds, nanoseconds)| (seconds, nanoseconds % 1_000_000_000));
            by::Kept { time, program: *program }
        }).collect();
        let expected = if kept.iter().all(|kept| *kept == by::Kept::default()) {
            by::names(expected_link, &reference)
        } else {
            by::names_with(expected_link, &reference, &kept)
        };
        let ours: Vec<_> = names.iter().zip(&kept).map(|((path, (chosen, length, ..)), kept)| Name {
            path,
            // An explicit id that equals the hashed id is stored like a hashed id.
            explicit_id: Some(match chosen.filter(|id| *id != 0) {
                Some(id) => uuid_of(id.to_be_bytes()),
                None => uuid_of(by::path_id(path)),
            }),
            decoded_len: length.map(u64::from),
            attributes: Attributes {
                modified: kept.time.and_then(|(secs, nanos)| Time::new(secs, nanos)),
                executable: kept.program,
            },
        }).collect();
        let link = link.map(|(at, size, decoded_len)| dacti_names::Link {
            at, size, encoding: by::BROT, decoded_len,
        });
        let emitted = emit_segment(&ours, link).expect("the names are good");
        prop_assert_eq!(&emitted, &expected);
        let segment = Segment::parse(&emitted).expect("the names are good");
        prop_assert_eq!(segment.names().collect::<Vec<_>>(), ours);
        prop_assert_eq!(segment.link(), link);
    }
}
