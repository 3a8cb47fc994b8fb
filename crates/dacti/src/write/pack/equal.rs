//! Inputs with equal contents, found before anything is written.
//!
//! A region's seals follow its stored bytes. So when a packer writes the first of several equal
//! regions, it must know all regions that share these bytes. Most contents are not read for this: a
//! content is read only if another input has the same length. It is read to its end only if another
//! content starts with the same bytes. The contents of short files that are read stay in memory, up
//! to a limit, so that the build does not open them again.

use super::Progress;
use super::input::{Input, TOUCHED, touch};
use super::pipeline::{Weigh, run};
use crate::Error;
use core::hash::BuildHasher;
use core::num::NonZeroUsize;
use core::ops::{ControlFlow, Range};
use dacti_names::NAMES_ID;
use daicon_core::to_u64;
use std::io::Read;
use std::sync::Arc;

/// The number of bytes at the start of a content that are compared first.
const START_LEN: u64 = 64 * 1024;
/// The number of bytes that are hashed at once.
const PIECE_LEN: usize = 256 * 1024;
/// The maximum overhead of a content in memory, in bytes.
const HELD_EXTRA: u64 = 128;
/// The number of inputs that a thread takes at once.
const BATCH: usize = 256;

/// Inputs with the same content. Copied regions also have the same encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Equals {
    /// The BLAKE3 of their content, or, for copied regions, of their stored bytes.
    pub(super) hash: [u8; 32],
    /// The numbers of these inputs, ascending. There are at least two.
    pub(super) inputs: Vec<usize>,
}

/// A function that tells the caller about the progress of a build. Its result tells whether the
/// build continues.
pub(super) type Tell<'t> = dyn FnMut(Progress) -> ControlFlow<()> + 't;

/// Finds all inputs with equal contents, ascending by their first inputs. It leaves out inputs
/// without bytes, hot regions and the names list.
///
/// An input that cannot be read counts as unequal to all others. The build reads it again and then
/// reports the error. At most `held_max` bytes of contents stay in memory.
pub(super) fn find(
    inputs: &mut [Input],
    threads: NonZeroUsize,
    held_max: usize,
    tell: &mut Tell<'_>,
) -> Result<Vec<Equals>, Error> {
    let may_share = |input: &Input| !input.hot && input.id != NAMES_ID && input.len > 0;
    let state = foldhash::fast::FixedState::default();
    let able = inputs.iter().enumerate().filter(|(_, input)| may_share(input));
    let lens = able.map(|(i, input)| (i, state.hash_one((input.len, tag_of(input)))));
    let candidates = repeated(lens.collect());
    let hold_end = hold_end(inputs, &candidates, held_max);
    let mut search = Search { inputs, threads, tell };
    let starts = search.batches(&candidates, |numbers, batch| {
        let key = |input: &Input, start: &[u8]| state.hash_one((input.len, tag_of(input), start));
        batch.read_starts(inputs, numbers, hold_end, key);
    })?;
    let Found { keys, held } = starts;
    for (i, whole, range) in held {
        if let Some(input) = inputs.get_mut(i) {
            input.hold_content(&whole, range);
        }
    }
    let mut search = Search { inputs, threads, tell };
    let hashes = search.batches(&repeated(keys), |numbers, batch| {
        let mut buf = Vec::new();
        let mut key = |i: usize| {
            let input = inputs.get(i)?;
            Some((i, (*hash(input, &mut buf)?.as_bytes(), tag_of(input))))
        };
        batch.keys.extend(numbers.iter().filter_map(|i| key(*i)));
    })?;
    let mut hashes = hashes.keys;
    hashes.sort_unstable_by_key(|(i, key)| (*key, *i));
    let equals = hashes.chunk_by(|(_, a), (_, b)| a == b).filter(|equal| equal.len() > 1);
    let mut equals: Vec<Equals> = equals
        .filter_map(|equal| {
            let (_, (hash, _)) = equal.first()?;
            Some(Equals { hash: *hash, inputs: equal.iter().map(|(i, _)| *i).collect() })
        })
        .collect();
    equals.sort_unstable_by_key(|equal| equal.inputs.first().copied());
    Ok(equals)
}

/// Returns whether the search leaves the content of an input in memory, if the limit allows it.
fn is_held(input: &Input) -> bool {
    input.is_file() && input.len <= START_LEN
}

/// Returns the number of the first input whose content no longer fits into `held_max` bytes
/// together with the contents of the candidates before it.
fn hold_end(inputs: &[Input], candidates: &[usize], held_max: usize) -> usize {
    let mut left = to_u64(held_max);
    for i in candidates {
        let Some(input) = inputs.get(*i).filter(|input| is_held(input)) else { continue };
        match left.checked_sub(input.len.saturating_add(HELD_EXTRA)) {
            Some(rest) => left = rest,
            None => return *i,
        }
    }
    inputs.len()
}

/// Returns the encoding tag of a copied region. Copied regions are equal only if their tags are
/// equal.
fn tag_of(input: &Input) -> Option<[u8; 4]> {
    input.as_kept().map(|kept| kept.located.encoding.tag())
}

/// Returns the inputs whose value in `keys` occurs more than once, and perhaps a few others.
///
/// This uses two tables of bits, which takes a fraction of the time of a sort or a map. Different
/// values may have the same bit, so an input may be returned although its value occurs once.
fn repeated(keys: Vec<(usize, u64)>) -> Vec<usize> {
    let bits = to_u64(keys.len()).saturating_mul(16).max(64).next_power_of_two();
    let words = usize::try_from(bits / 64).unwrap_or(usize::MAX);
    let (mut once, mut twice) = (vec![0_u64; words], vec![0_u64; words]);
    let place = |key: u64| {
        let bit = key & bits.saturating_sub(1);
        (usize::try_from(bit >> 6).unwrap_or(usize::MAX), 1_u64 << (bit & 63))
    };
    for (_, key) in &keys {
        let (word, mask) = place(*key);
        if let (Some(once), Some(twice)) = (once.get_mut(word), twice.get_mut(word)) {
            *twice |= *once & mask;
            *once |= mask;
        }
    }
    let is_repeated = |key: u64| {
        let (word, mask) = place(key);
        twice.get(word).is_some_and(|twice| twice & mask != 0)
    };
    keys.into_iter().filter(|(_, key)| is_repeated(*key)).map(|(i, _)| i).collect()
}

/// Returns the hash of a whole content; `None` if the content cannot be read or its length has
/// changed.
fn hash(input: &Input, buf: &mut Vec<u8>) -> Option<blake3::Hash> {
    if let Some(content) = input.in_memory() {
        return Some(blake3::hash(content));
    }
    buf.resize(PIECE_LEN, 0);
    let (mut reader, mut hasher) = (input.open().ok()?, blake3::Hasher::new());
    loop {
        match reader.read(buf).ok()? {
            0 => break,
            read => _ = hasher.update(buf.get(..read)?),
        }
    }
    (hasher.count() == input.len).then(|| hasher.finalize())
}

/// The results for some inputs, in the order of the inputs.
struct Batch<T> {
    /// The values by which inputs are compared, each with the input's number. Inputs that cannot be
    /// read are left out.
    keys: Vec<(usize, T)>,
    /// The contents that stay in memory, one after the other, and the range of each input's
    /// content.
    held: Vec<u8>,
    ranges: Vec<(usize, Range<usize>)>,
}

impl<T> Batch<T> {
    /// Reads the start of each of these inputs, and keeps its `key`. The contents of short files
    /// whose numbers are below `hold_end` stay in memory.
    fn read_starts(
        &mut self,
        inputs: &[Input],
        numbers: &[usize],
        hold_end: usize,
        key: impl Fn(&Input, &[u8]) -> T,
    ) {
        let batch = numbers.iter().filter_map(|i| Some((*i, inputs.get(*i)?)));
        let is_held = |(i, input): &(usize, &Input)| *i < hold_end && is_held(input);
        let held_len = batch
            .clone()
            .filter(is_held)
            .fold(0, |sum: u64, (_, input)| sum.saturating_add(input.len));
        // One allocation for the whole batch costs less than one for each file.
        self.held.reserve(usize::try_from(held_len).unwrap_or_default());
        let mut buf = Vec::new();
        for ((i, input), n) in batch.clone().zip(0_usize..) {
            if n.is_multiple_of(TOUCHED) {
                touch(batch.clone().skip(n).take(TOUCHED).map(|(_, input)| input));
            }
            let at = self.held.len();
            if !is_held(&(i, input)) {
                self.keys
                    .extend(input.start(START_LEN, &mut buf).map(|start| (i, key(input, start))));
            } else if input.read_into(&mut self.held).is_ok() {
                let content = self.held.get(at..).unwrap_or_default();
                self.keys.push((i, key(input, content)));
                self.ranges.push((i, at..self.held.len()));
            } else {
                self.held.truncate(at);
            }
        }
    }
}

impl<T> Weigh for Batch<T> {
    fn weight(&self) -> usize {
        let keys = self.keys.capacity().saturating_mul(size_of::<(usize, T)>());
        let ranges = self.ranges.capacity().saturating_mul(size_of::<(usize, Range<usize>)>());
        keys.saturating_add(ranges).saturating_add(self.held.capacity())
    }
}

/// The results for all inputs of a pass.
struct Found<T> {
    /// The keys, each with the input's number.
    keys: Vec<(usize, T)>,
    /// The numbers of the inputs whose contents stay in memory, and their contents.
    held: Vec<(usize, Arc<Vec<u8>>, Range<usize>)>,
}

/// The search for equal contents among the inputs of a build.
struct Search<'s, 't> {
    inputs: &'s [Input],
    threads: NonZeroUsize,
    tell: &'s mut Tell<'t>,
}

impl Search<'_, '_> {
    /// Runs `read` on batches of these inputs, on several threads. Returns the results in the order
    /// of `numbers`.
    fn batches<T: Send>(
        &mut self,
        numbers: &[usize],
        read: impl Fn(&[usize], &mut Batch<T>) + Sync,
    ) -> Result<Found<T>, Error> {
        let Self { inputs, threads, tell } = self;
        let told = Progress {
            regions_total: to_u64(inputs.len()),
            bytes_total: inputs.iter().fold(0, |sum, input| sum.saturating_add(input.len)),
            ..Progress::default()
        };
        let batches: Vec<&[usize]> = numbers.chunks(BATCH).collect();
        let mut found = Found { keys: Vec::with_capacity(numbers.len()), held: Vec::new() };
        run(
            batches.len(),
            *threads,
            usize::MAX,
            |job, lane| {
                let (keys, held, ranges) = (Vec::new(), Vec::new(), Vec::new());
                let mut batch = Batch { keys, held, ranges };
                read(batches.get(job).copied().unwrap_or_default(), &mut batch);
                lane.put(batch).map(Ok)
            },
            |batch| {
                let held = Arc::new(batch.held);
                let ranges = batch.ranges.into_iter();
                found.held.extend(ranges.map(|(i, range)| (i, Arc::clone(&held), range)));
                found.keys.extend(batch.keys);
                if tell(told).is_break() { Err(Error::Stopped) } else { Ok(None) }
            },
        )?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::{Equals, find};
    use crate::write::pack::input::{Content, Input, InputName, Spool};
    use core::num::NonZeroUsize;
    use core::ops::ControlFlow;

    fn input(n: usize, content: impl Into<Content<'static>>) -> Input {
        let name = InputName::from(format!("{n:05}"));
        Input::new(name, content.into(), &mut Spool::default()).unwrap()
    }

    #[track_caller]
    fn check(inputs: &mut [Input], expected: &[(&[u8], &[usize])]) {
        let expected: Vec<Equals> = expected
            .iter()
            .map(|(content, inputs)| Equals {
                hash: *blake3::hash(content).as_bytes(),
                inputs: inputs.to_vec(),
            })
            .collect();
        for threads in [1, 3] {
            let threads = NonZeroUsize::new(threads).unwrap();
            let found = find(inputs, threads, 0, &mut |_| ControlFlow::Continue(())).unwrap();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn equal_contents_are_found_whatever_their_source() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let long = vec![7; 100_000];
        let mut other_end = long.clone();
        other_end[99_999] = 8;
        let mut hot = input(12, b"same".to_vec());
        hot.hot = true;
        let mut inputs = [
            input(0, b"same".to_vec()),
            input(1, long.clone()),
            input(2, b"sama".to_vec()),
            input(3, file("a", b"same")),
            input(4, file("b", &long)),
            input(5, file("c", &other_end)),
            input(6, Content::reader(&b"same"[..])),
            input(7, Content::reader(std::io::repeat(7).take(100_000))),
            input(8, vec![]),
            input(9, vec![]),
            input(10, b"other".to_vec()),
            input(11, file("d", &long[1..])),
            hot,
        ];
        check(&mut inputs, &[(b"same", &[0, 3, 6]), (&long, &[1, 4, 7])]);
        // After this, the file `a` cannot be read, so it equals no other input.
        std::fs::remove_file(dir.path().join("a")).unwrap();
        check(&mut inputs, &[(b"same", &[0, 6]), (&long, &[1, 4, 7])]);
    }

    #[test]
    fn many_inputs_are_sorted_out_by_their_contents() {
        // Every third input has a content that no other input has. The others share 50 contents.
        let content = |n: usize| match n % 3 {
            0 => format!("own {n:06}"),
            _ => format!("shared {:03}", n % 50),
        };
        let mut inputs: Vec<Input> =
            (0..5_000).map(|n| input(n, content(n).into_bytes())).collect();
        let mut expected: Vec<(Vec<u8>, Vec<usize>)> = Vec::new();
        for n in (0..5_000).filter(|n| n % 3 > 0) {
            let content = content(n).into_bytes();
            match expected.iter_mut().find(|(of, _)| *of == content) {
                Some((_, numbers)) => numbers.push(n),
                None => expected.push((content, vec![n])),
            }
        }
        let expected: Vec<(&[u8], &[usize])> =
            expected.iter().map(|(content, numbers)| (&content[..], &numbers[..])).collect();
        assert_eq!(expected.len(), 50);
        check(&mut inputs, &expected);
    }

    #[test]
    fn short_files_stay_in_memory_up_to_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let long = vec![7; 70_000];
        let mut inputs = [
            input(0, file("a", b"same")),
            input(1, file("b", b"sama")),
            input(2, file("c", &long)),
            input(3, file("d", b"an own length")),
            input(4, file("e", b"same")),
            input(5, file("f", &long)),
        ];
        // Each content takes 4 bytes and an overhead of 128 bytes. Two contents fit into the limit
        // of 395 bytes, but a third one does not.
        let tell = &mut |_| ControlFlow::Continue(());
        let found = find(&mut inputs, NonZeroUsize::MIN, 395, tell).unwrap();
        let numbers: Vec<_> = found.into_iter().map(|equal| equal.inputs).collect();
        assert_eq!(numbers, [[0, 4], [2, 5]]);
        let held = |inputs: &[Input]| -> Vec<_> {
            inputs.iter().map(|input| input.in_memory().map(<[u8]>::to_vec)).collect()
        };
        let (same, other) = (Some(b"same".to_vec()), Some(b"sama".to_vec()));
        let expected = [same.clone(), other, None, None, None, None];
        assert_eq!(held(&inputs), expected);
        // A held content is not read again, and messages name its file.
        let path = dir.path().join("a");
        std::fs::remove_file(&path).unwrap();
        let mut content = Vec::new();
        inputs[0].read_into(&mut content).unwrap();
        assert_eq!((Some(content), inputs[0].origin()), (same, crate::error::shown(&path)));
    }

    #[test]
    fn a_caller_stops_the_search() {
        let mut inputs: Vec<Input> = (0..10).map(|n| input(n, b"same".to_vec())).collect();
        let found = find(&mut inputs, NonZeroUsize::MIN, 0, &mut |_| ControlFlow::Break(()));
        assert!(matches!(found, Err(crate::Error::Stopped)));
    }

    use std::io::Read;
}
