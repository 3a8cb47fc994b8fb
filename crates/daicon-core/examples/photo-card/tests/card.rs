//! Tests of cards, byte by byte.

use daicon_core::ErrorKind;

const CARD: &[u8; 143] = b"\xffdaicon0\
    \x0e\x9f\x1f\x8c\x56\x5a\x3b\x4c\x9d\x55\x3f\x2f\x6f\x0f\x7b\x21\x01\0\0\0\
    \0\0\0\0\0\0\0\0\x50\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\
    \xc4\xb6\xa2\xe0\x0d\x6a\x7e\x4b\x8f\x7d\x0b\x7f\x3a\x1c\x9d\x10\x01\0\0\0\x84\0\0\0\x07\0\0\0\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\
    \x62\x4c\x9a\x3b\x3e\x0f\x0b\x4d\xa1\xde\x6a\x5f\x2f\x9c\x8e\x43\x01\0\0\0\x8b\0\0\0\x04\0\0\0\
    picturecap!";

#[expect(clippy::unwrap_used, reason = "a test fails by a panic")]
fn written() -> Vec<u8> {
    let start = photo_card::start(b"picture", "cap!").unwrap();
    [&start[..], b"picture", b"cap!"].concat()
}

#[test]
fn a_card_lies_as_the_tables_of_the_specification_say() {
    assert_eq!(written(), CARD);
}

#[test]
fn picture_and_caption_come_back() {
    assert_eq!(photo_card::read(CARD), Ok((&b"picture"[..], &b"cap!"[..])));
}

#[cfg(feature = "std")]
#[test]
fn a_caption_comes_from_a_file() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("photo-card-{}", std::process::id()));
    std::fs::write(&path, CARD).unwrap();
    let caption = photo_card::caption(std::fs::File::open(&path).unwrap());
    std::fs::remove_file(&path).unwrap();
    assert_eq!(caption.unwrap(), b"cap!");
}

#[test]
fn a_card_without_its_extension_table_is_no_card() {
    let mut card = *CARD;
    card[36] = 0;
    let error = photo_card::read(&card).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(photo_card::read(&CARD[..142]).unwrap_err().kind(), ErrorKind::Truncated);
}
