//! Fixtures of key files.

use super::{Case, bad, good};

const NONE: &str = "error misuse key file at 0x0";
const SEED: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const PUBLIC: &str = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
const PACKAGE: &str = "00112233-4455-6677-8899-aabbccddeeff";

fn private() -> String {
    format!("dacti-ed25519-private 1 {SEED} {PACKAGE}")
}

fn public() -> String {
    format!("dacti-ed25519-public 1 {PUBLIC} {PACKAGE}")
}

pub(super) const CASES: &[Case] = &[
    good("key_public", "R-SEAL-18", || format!("{}\n", public()).into()),
    good("key_private", "R-SEAL-18", || format!("{}\n", private()).into()),
    good("key_without_a_line_feed", "R-SEAL-18", || public().into()),
    good("key_among_comments_and_blank_lines", "R-SEAL-18", || {
        format!("# a key\r\n\r\n\t \r\n  # more\r\n{}\r\n\n# end", public()).into()
    }),
    good("key_with_many_blanks", "R-SEAL-18", || {
        format!(" \t{}\t ", public().replace(' ', " \t  ")).into()
    }),
    good("key_in_upper_case", "R-SEAL-18", || {
        format!("dacti-ed25519-private 1 {} {}", SEED.to_uppercase(), PACKAGE.to_uppercase()).into()
    }),
    good("key_of_4096_bytes", "R-SEAL-18", || {
        format!("{}\n{}", public(), "#".repeat(4096 - public().len() - 1)).into()
    }),
    bad("key_of_4097_bytes", NONE, "R-SEAL-18", || {
        format!("{}\n{}", public(), "#".repeat(4096 - public().len())).into()
    }),
    bad("key_of_no_bytes", NONE, "R-SEAL-18", Vec::new),
    bad("key_in_a_comment", NONE, "R-SEAL-18", || format!("# {}\n", public()).into()),
    bad("key_twice", NONE, "R-SEAL-18", || format!("{0}\n{0}\n", public()).into()),
    bad("key_and_another_line", NONE, "R-SEAL-18", || format!("{}\nmore\n", public()).into()),
    bad("key_of_version_2", NONE, "R-SEAL-18", || public().replace(" 1 ", " 2 ").into()),
    bad("key_of_version_01", NONE, "R-SEAL-18", || public().replace(" 1 ", " 01 ").into()),
    bad("key_of_another_kind", NONE, "R-SEAL-18", || public().replace("25519", "448").into()),
    bad("key_with_its_kind_in_upper_case", NONE, "R-SEAL-18", || {
        public().replace("dacti", "DACTI").into()
    }),
    bad("key_of_62_digits", NONE, "R-SEAL-18", || public().replacen("03a1", "a1", 1).into()),
    bad("key_of_66_digits", NONE, "R-SEAL-18", || public().replacen("03a1", "0003a1", 1).into()),
    bad("key_with_a_digit_that_is_none", NONE, "R-SEAL-18", || {
        public().replacen("03a1", "0+a1", 1).into()
    }),
    bad("key_with_three_words", NONE, "R-SEAL-18", || public().replace(PACKAGE, "").into()),
    bad("key_with_five_words", NONE, "R-SEAL-18", || format!("{} more", public()).into()),
    bad("key_for_the_nil_package", NONE, "R-SEAL-18", || {
        public().replace(PACKAGE, "00000000-0000-0000-0000-000000000000").into()
    }),
    bad("key_for_a_package_without_hyphens", NONE, "R-SEAL-18", || {
        public().replace(PACKAGE, &PACKAGE.replace('-', "")).into()
    }),
    bad("key_for_a_package_in_braces", NONE, "R-SEAL-18", || {
        public().replace(PACKAGE, &format!("{{{PACKAGE}}}")).into()
    }),
    bad("key_for_a_package_with_hyphens_elsewhere", NONE, "R-SEAL-18", || {
        public().replace(PACKAGE, "0011223-34455-6677-8899-aabbccddeeff").into()
    }),
    bad("key_of_small_order", NONE, "R-SEAL-08", || {
        // This is the neutral element of the group. Its y is 1.
        public().replace(PUBLIC, &format!("01{}", "00".repeat(31))).into()
    }),
    bad("key_of_order_8", NONE, "R-SEAL-08", || {
        let digits = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
        public().replace(PUBLIC, digits).into()
    }),
    bad("key_that_is_no_point", NONE, "R-SEAL-08", || {
        // The curve has no point with y = 2.
        public().replace(PUBLIC, &format!("02{}", "00".repeat(31))).into()
    }),
    bad("key_that_is_not_utf8", NONE, "R-SEAL-18", || [b"# \xff\n", public().as_bytes()].concat()),
];
