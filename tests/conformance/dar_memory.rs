//! The memory that the conversion of a CAR with very many roots takes. The test is a binary of its
//! own, because it counts the memory of the whole process.

use dacti_dar::{WriteOptions, from_car};
use dacti_tests::dar_reference::{self as reference, CidBytes};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Returns the length of a CAR that has only a list of absent roots, and the memory for converting
/// it, both in bytes.
fn convert(count: u32) -> (usize, usize) {
    let root = |number: u32| -> CidBytes {
        [&[1, 0x55, 0x12, 32][..], &number.to_be_bytes().repeat(8)].concat()
    };
    let roots: Vec<CidBytes> = (0..count).map(root).collect();
    let car = reference::car_v1(&roots, []);
    drop(roots);
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let (_, report) =
        from_car(&car[..], std::io::sink(), &WriteOptions::default()).expect("it is good");
    assert_eq!(report.absent_roots.len(), count as usize);
    assert_eq!(report.summary.absent_car_roots.len(), count as usize);
    (car.len(), MEMORY.peak_usage() - before)
}

#[test]
fn a_list_of_roots_takes_a_few_times_its_length() {
    let (len, peak) = convert(100_000);
    let (_, twice) = convert(200_000);
    println!("{len} bytes: {peak} bytes of memory; {twice} at twice the length");
    assert!(twice <= 2 * peak + peak / 2, "{peak} {twice}");
    assert!(peak <= 10 * len, "{peak} for {len}");
}
