//! Random DAGs. The crate and the independent encoder write them, and they are read in every way.

use crate::dar_support::{
    Counted, Random, block, cid, depth_first, leaf, node, plan, read_options, stream, walk, write,
};
use dacti_dar::{
    Archive, Encoder, Error, Misuse, Placed, ReadOptions, Reader, StreamEvent, StreamReader,
};
use dacti_dar::{WriteOptions, Writer, copy};
use dacti_tests::dar_reference::{self as reference, Block, CidBytes, Plan};
use proptest::prelude::*;

/// Returns DAGs with shared blocks, missing blocks and several roots. A node links only to nodes
/// with lower numbers.
fn plans() -> impl Strategy<Value = Plan> {
    let node = (0..5_usize, 0..4_usize, prop::collection::vec(any::<prop::sample::Index>(), 0..5));
    let nodes = prop::collection::vec((node, any::<u8>()), 1..40);
    (nodes, prop::collection::vec(any::<prop::sample::Index>(), 1..6), any::<[bool; 2]>()).prop_map(
        |(nodes, roots, [index, car])| {
            let mut blocks: Vec<Block> = vec![];
            let mut absent = vec![];
            for (number, ((codec, hash, links), hole)) in nodes.into_iter().enumerate() {
                let codecs =
                    [reference::RAW, reference::DAG_CBOR, reference::DAG_PB, reference::DAG_JSON];
                let codec = *codecs.get(codec).unwrap_or(&reference::DAG_CBOR);
                let hash = [0x12, 0x13, 0x16, 0x1e][hash];
                let mut links: Vec<CidBytes> = links
                    .iter()
                    .filter(|_| number > 0)
                    .map(|link| blocks[link.index(number)].cid.clone())
                    .collect();
                if hole < 10 {
                    links.push(reference::cid_v1(reference::RAW, hash, &[hole]));
                }
                let payload = vec![number as u8; usize::from(hole)];
                blocks.push(block(codec, hash, &payload, &links));
                absent.push(hole > 230);
            }
            let mut plan = Plan { index, ..Plan::default() };
            for (number, block) in blocks.iter().enumerate() {
                if !absent[number] {
                    plan.store.insert(block.cid.clone(), block.clone());
                }
            }
            let last = blocks.len() - 1;
            let numbers = roots.iter().map(|root| root.index(blocks.len())).chain([last]);
            for number in numbers {
                let cid = &blocks[number].cid;
                if !absent[number] && !plan.roots.contains(cid) {
                    plan.roots.push(cid.clone());
                }
            }
            plan.car_roots = car.then(|| plan.roots.clone());
            plan
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    // spec: R-DARFRM-01, R-DARFRM-02, R-DARFRM-03, R-DARFRM-04, R-DARFRM-05, R-DARFRM-06
    // spec: R-DARTRL-01, R-DARTRL-02, R-DARTRL-03, R-DARIDX-01, R-DARIDX-02, R-DARIDX-03
    // spec: R-DARFRM-07, R-DARIDX-04, R-DARHDR-01, R-DARHDR-02, R-DARLNK-01, R-DARLNK-02
    #[test]
    fn writer_and_independent_encoder_agree(plan in plans()) {
        let expected = reference::encode(&plan);
        prop_assert_eq!(&write(&plan), &expected.bytes);
        let read = stream(&expected.bytes).expect("the reference writes good archives");
        let order: Vec<&CidBytes> = read.iter().map(|(cid, _)| cid).collect();
        prop_assert_eq!(order, expected.order.iter().collect::<Vec<_>>());
        for (cid, data) in &read {
            prop_assert_eq!(&plan.store[cid].data, data);
        }
    }

    // spec: R-DARACC-01, R-DARACC-02
    #[test]
    fn random_access_finds_what_was_written(plan in plans()) {
        let expected = reference::encode(&plan);
        let archive = Archive::open(&expected.bytes[..]).expect("it is good");
        let roots: Vec<_> = archive.roots().expect("it is good").into_iter()
            .map(|root| (root.cid.to_bytes(), root.offset)).collect();
        let offsets: Vec<_> = plan.roots.iter()
            .map(|root| (root.clone(), Some(expected.place(root).0))).collect();
        prop_assert_eq!(roots, offsets);
        for key in &expected.order {
            prop_assert_eq!(walk(&archive, key).expect("it is there"), depth_first(&plan, key));
            let sub = archive.dag(&cid(key)).expect("it is there").finish().expect("it is good");
            let (start, len) = expected.place(key);
            prop_assert_eq!((sub.range.start, sub.range.len), (start, len));
            for span in &sub.outside {
                prop_assert!(span.start < start);
            }
            if plan.index {
                let data = archive.get(&cid(key)).expect("it is good");
                prop_assert_eq!(data.as_ref(), Some(&plan.store[key].data));
            }
        }
        let absent = cid(&leaf(b"nowhere").cid);
        prop_assert!(archive.dag(&absent).is_err());
        if plan.index {
            prop_assert_eq!(archive.get(&absent).expect("it is good"), None);
        }
    }

    #[test]
    fn windows_of_any_size_give_the_same(plan in plans(), seed in 1..u64::MAX) {
        let bytes = reference::encode(&plan).bytes;
        let mut random = Random(seed);
        let mut machine = StreamReader::new(&ReadOptions::default());
        let mut order = vec![];
        let mut feeds = 0_usize;
        while let Some(want) = machine.want() {
            let from = bytes.len().min(want.start as usize);
            let extra = (random.next() % 300) as usize;
            let to = bytes.len().min(want.end() as usize + extra);
            let event = machine.feed(&bytes[from..to]).expect("good");
            if let Some(StreamEvent::Block { cid, .. }) = event {
                order.push(cid.to_bytes());
            }
            feeds += 1;
            prop_assert!(feeds < 8 * (plan.store.len() + 10) + bytes.len() / 16);
        }
        prop_assert_eq!(order, reference::encode(&plan).order);
    }

    // spec: R-DARACC-03, R-DARHDR-04
    #[test]
    fn archives_of_the_first_implementation_are_read(plan in plans()) {
        let plan = Plan { first_implementation: true, index: false, car_roots: None, ..plan };
        let expected = reference::encode(&plan);
        let archive = Archive::open(&expected.bytes[..]).expect("it is good");
        let roots: Vec<_> = archive.roots().expect("it is good").into_iter()
            .map(|root| root.cid.to_bytes()).collect();
        prop_assert_eq!(&roots, &plan.roots);
        let mut reader = archive.stream().expect("it is good");
        let mut order = vec![];
        while let Some((cid, data)) = reader.next_block().expect("it is good") {
            prop_assert_eq!(&plan.store[&cid.to_bytes()].data, data);
            order.push(cid.to_bytes());
        }
        prop_assert_eq!(&order, &expected.order);
        for root in &plan.roots {
            prop_assert_eq!(walk(&archive, root).expect("it is good"), depth_first(&plan, root));
        }
    }

    #[test]
    fn an_index_can_be_added_and_taken_away(plan in plans()) {
        let (with, without) = (Plan { index: true, ..plan.clone() }, Plan { index: false, ..plan });
        for (from, to) in [(&with, &without), (&without, &with)] {
            let bytes = reference::encode(from).bytes;
            let options = WriteOptions { index: to.index, ..WriteOptions::default() };
            let (copied, _) = copy(&mut Reader::new(&bytes[..]), Vec::new(), &options)
                .expect("it is good");
            prop_assert_eq!(copied, reference::encode(to).bytes);
        }
    }
}

#[test]
fn archives_with_no_block_and_with_an_empty_block() {
    for index in [false, true] {
        let empty = Plan { index, ..Plan::default() };
        let bytes = reference::encode(&empty).bytes;
        assert_eq!(write(&empty), bytes);
        assert_eq!(stream(&bytes).expect("good"), []);
        assert_eq!(Archive::open(&bytes[..]).expect("good").roots().expect("good"), []);
    }
    // The empty archive has a magic, an empty list, an end mark, an empty list of roots, the digest
    // of no bytes, no index, and 6 as the position of the trailer.
    let bytes = reference::encode(&Plan::default()).bytes;
    assert_eq!(bytes.len(), 4 + 1 + 1 + 1 + 64 + 8 + 8);
    let block = leaf(b"");
    let plan = plan(&[&block], &[&block]);
    assert_eq!(write(&plan), reference::encode(&plan).bytes);
    assert_eq!(stream(&write(&plan)).expect("good"), [(block.cid, vec![])]);
}

// spec: R-DARLNK-03
#[test]
fn identity_links_have_no_frame_and_their_own_links_count() {
    let below = leaf(b"below");
    // A list with one link takes 43 bytes, so it fits into an identity CID of at most 64 bytes.
    let inline = reference::dag_cbor(b"i", std::slice::from_ref(&below.cid));
    let inline = reference::cid_v1(reference::DAG_CBOR, 0, &inline);
    let after = leaf(b"after");
    let links = [inline, after.cid.clone()];
    let mut top = block(reference::DAG_CBOR, 0x12, b"top", &links);
    top.links = vec![below.cid.clone(), after.cid.clone()];
    let plan = plan(&[&top], &[&top, &below, &after]);
    assert_eq!(write(&plan), reference::encode(&plan).bytes);
    let order: Vec<_> = stream(&write(&plan)).expect("good").into_iter().map(|(c, _)| c).collect();
    assert_eq!(order, [top.cid, below.cid, after.cid]);
}

// spec: R-DARLNK-03, R-DARLNK-04
#[test]
fn identity_links_longer_than_the_crates_allow() {
    let below = leaf(b"below");
    let inline = reference::dag_cbor(&[7; 100], std::slice::from_ref(&below.cid));
    let inline = reference::cid_v1(reference::DAG_CBOR, 0, &inline);
    for codec in [reference::DAG_CBOR, reference::DAG_PB] {
        let mut top = block(codec, 0x12, b"top", std::slice::from_ref(&inline));
        top.links = vec![below.cid.clone()];
        let plan = plan(&[&top], &[&top, &below]);
        assert_eq!(write(&plan), reference::encode(&plan).bytes);
    }
}

// spec: R-DARLNK-05
#[test]
fn blocks_of_unknown_codecs_and_blocks_that_are_none_have_no_links() {
    let data = reference::dag_cbor(b"x", &[leaf(b"y").cid]);
    let unknown = Block { cid: reference::cid_v1(0x300_000, 0x12, &data), data, links: vec![] };
    let data = vec![0xff; 50];
    let bad =
        Block { cid: reference::cid_v1(reference::DAG_CBOR, 0x12, &data), data, links: vec![] };
    let top = node(b"top", &[&unknown, &bad]);
    let plan = plan(&[&top], &[&top, &unknown, &bad]);
    assert_eq!(write(&plan), reference::encode(&plan).bytes);
    let reader = Reader::with_options(&write(&plan)[..], &read_options()).verify().expect("good");
    assert_eq!((reader.unknown_codec, reader.undecodable), (1, 1));
    assert_eq!((reader.blocks, reader.missing.len()), (3, 0));
}

// spec: R-DARFRM-08
#[test]
fn the_writer_refuses_what_is_out_of_order() {
    let (one, two, three) = (leaf(b"one"), leaf(b"two"), leaf(b"three"));
    let top = node(b"top", &[&one, &two]);
    let mut encoder = Encoder::new(&WriteOptions::default());
    let refused = |result: Result<Placed, Error>| match result {
        Err(Error::Misuse(misuse)) => misuse,
        other => panic!("{other:?}"),
    };
    let id = |block: &Block| cid(&block.cid);
    assert_eq!(refused(encoder.block(&id(&top), &top.data)), Misuse::OutOfOrder);
    assert_eq!(refused(encoder.root(&id(&top), b"other")), Misuse::WrongCid);
    encoder.root(&id(&top), &top.data).expect("it is right");
    assert_eq!(refused(encoder.block(&id(&three), &three.data)), Misuse::OutOfOrder);
    assert_eq!(refused(encoder.block(&id(&one), b"other")), Misuse::WrongCid);
    assert_eq!(refused(encoder.repeat(&id(&one))), Misuse::NeverWritten);
    assert_eq!(refused(encoder.root(&id(&top), &top.data)), Misuse::DuplicateRoot);
    // The refused calls have changed nothing, so the encoder still accepts both linked blocks. If
    // the second one is written, the first one can no longer follow.
    encoder.block(&id(&two), &two.data).expect("the first is passed over");
    assert_eq!(refused(encoder.block(&id(&one), &one.data)), Misuse::OutOfOrder);
    encoder.root(&id(&one), &one.data).expect("as a root it may");
    encoder.finish_piece().expect("it is right");
    assert_eq!(refused(encoder.root(&id(&three), &three.data)), Misuse::Finished);
}

// spec: R-DARFRM-09
#[test]
fn a_skip_that_readers_could_not_see_is_refused() {
    let data = b"\x80".to_vec();
    let raw = Block { cid: reference::cid_v1(reference::RAW, 0x12, &data), data, links: vec![] };
    let mut list = raw.clone();
    list.cid = reference::cid_v1(reference::DAG_CBOR, 0x12, &raw.data);
    let top = node(b"top", &[&raw, &list]);
    let mut writer = Writer::new(Vec::new()).expect("a vector");
    writer.root(&cid(&top.cid), &top.data).expect("it is right");
    let error = writer.block(&cid(&list.cid), &list.data).expect_err("raw could be meant");
    assert_eq!(error.format(), Some(&Error::Misuse(Misuse::AmbiguousSkip)));
    // If both blocks are written, readers cannot take one for the other.
    writer.block(&cid(&raw.cid), &raw.data).expect("it is next");
    writer.block(&cid(&list.cid), &list.data).expect("it is next");
    let (bytes, _) = writer.finish().expect("a vector");
    assert_eq!(stream(&bytes).expect("good").len(), 3);
}

#[test]
fn an_unfinished_archive_is_cut_short() {
    struct Shared(std::rc::Rc<std::cell::RefCell<Vec<u8>>>);
    impl std::io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.borrow_mut().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let sink = std::rc::Rc::new(std::cell::RefCell::new(vec![]));
    let block = leaf(&[7; 200_000]);
    let mut writer = Writer::new(Shared(sink.clone())).expect("a vector");
    writer.root(&cid(&block.cid), &block.data).expect("it is right");
    drop(writer);
    let bytes = sink.borrow();
    let error = stream(&bytes).expect_err("it has no trailer");
    assert_eq!(error.format().expect("format").kind(), dacti_dar::ErrorKind::Truncated);
    let error = Archive::open(&bytes[..]).expect_err("it has no trailer");
    assert_eq!(error.format().expect("format").kind(), dacti_dar::ErrorKind::Truncated);
}

#[test]
fn nested_and_overlapping_dags_in_any_order() {
    let (a, b) = (leaf(b"a"), leaf(b"b"));
    let inner = node(b"inner", &[&a, &b]);
    let left = node(b"left", &[&inner, &a]);
    let right = node(b"right", &[&b, &inner]);
    let all = [&a, &b, &inner, &left, &right];
    for roots in [
        vec![&left, &inner, &right],
        vec![&inner, &left, &right],
        vec![&right, &left, &a, &inner],
        vec![&a, &b, &inner, &right, &left],
    ] {
        let plan = plan(&roots, &all);
        let bytes = write(&plan);
        assert_eq!(bytes, reference::encode(&plan).bytes);
        assert_eq!(stream(&bytes).expect("good").len(), 5);
        let source = Counted { bytes, ..Counted::default() };
        let archive = Archive::open(&source).expect("good");
        for root in &roots {
            assert_eq!(walk(&archive, &root.cid).expect("good"), depth_first(&plan, &root.cid));
        }
    }
}
