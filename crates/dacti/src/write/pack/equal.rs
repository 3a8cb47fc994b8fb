//! Inputs with equal contents, found before anything is written.
//!
//! A region's seals follow its stored bytes. So when a packer writes the first of several equal
//! regions, it must know all regions that share these bytes. Most contents are not read for this: a
//! content is read only if another input has the same length. It is read to its end only if another
//! content starts with the same bytes.

use super::Progress;
use super::input::Input;
use super::pipeline::{Weigh, run};
use crate::Error;
use core::hash::BuildHasher;
use core::num::NonZeroUsize;
use core::ops::ControlFlow;
use dacti_names::NAMES_ID;
use daicon_core::to_u64;
use std::io::Read;

/// The number of bytes at the start of a content that are compared first.
const START_LEN: u64 = 64 * 1024;
/// The number of bytes that are hashed at once.
const PIECE_LEN: usize = 256 * 1024;
/// The number of inputs that a thread takes at once.
const BATCH: usize = 256;

/// Inputs with the same content. Copied regions also have the same encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Equals {
    /// The BLAKE3 of their content. For copied regions, of their stored bytes.
    pub(super) hash: [u8; 32],
    /// The numbers of these inputs, ascending. There are at least two.
    pub(super) inputs: Vec<usize>,
}

/// A function that tells the caller about a build. Its result tells whether the build continues.
pub(super) type Tell<'t> = dyn FnMut(Progress) -> ControlFlow<()> + 't;

/// Finds all inputs with equal contents, ascending by their first inputs. It leaves out inputs
/// without bytes, hot regions and the names list.
///
/// An input that cannot be read counts as unequal to all others. The build reads it again and then
/// reports the error.
pub(super) fn find(
    inputs: &[Input],
    threads: NonZeroUsize,
    tell: &mut Tell<'_>,
) -> Result<Vec<Equals>, Error> {
    let may_share = |input: &Input| !input.hot && input.id != NAMES_ID && input.len > 0;
    let state = foldhash::fast::FixedState::default();
    let able = inputs.iter().enumerate().filter(|(_, input)| may_share(input));
    let lens = able.map(|(i, input)| (i, state.hash_one((input.len, tag_of(input)))));
    let candidates = repeated(lens.collect());
    let mut search = Search { inputs, threads, tell };
    let starts = search.keys(&candidates, |input, buf| {
        let start = input.start(START_LEN, buf)?;
        Some(state.hash_one((input.len, tag_of(input), start)))
    })?;
    let candidates = repeated(starts);
    let mut hashes = search
        .keys(&candidates, |input, buf| Some((*hash(input, buf)?.as_bytes(), tag_of(input))))?;
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

/// Returns the encoding tag of a copied region. Copied regions are equal only if their tags are
/// equal.
fn tag_of(input: &Input) -> Option<[u8; 4]> {
    input.as_kept().map(|kept| kept.located.encoding.tag())
}

/// Returns the inputs whose key occurs more than once, and a few others.
///
/// This uses two tables of bits, which takes a fraction of the time of a sort or a map. Different
/// keys may have the same bit, so an input may be returned although its key occurs once.
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

/// The values by which the inputs of a batch are compared, each with the input's number.
struct Keys<T>(Vec<(usize, T)>);

impl<T> Weigh for Keys<T> {
    fn weight(&self) -> usize {
        self.0.capacity().saturating_mul(size_of::<(usize, T)>())
    }
}

/// The search for equal contents among the inputs of a build.
struct Search<'s> {
    inputs: &'s [Input],
    threads: NonZeroUsize,
    tell: &'s mut Tell<'s>,
}

impl Search<'_> {
    /// Returns the keys of these inputs, each with the input's number, in the order of `numbers`.
    /// Inputs without a key are left out.
    fn keys<T: Send>(
        &mut self,
        numbers: &[usize],
        key: impl Fn(&Input, &mut Vec<u8>) -> Option<T> + Sync,
    ) -> Result<Vec<(usize, T)>, Error> {
        let Self { inputs, threads, tell } = self;
        let inputs: &[Input] = inputs;
        let told = Progress {
            regions_total: to_u64(inputs.len()),
            bytes_total: inputs.iter().fold(0, |sum, input| sum.saturating_add(input.len)),
            ..Progress::default()
        };
        let batches: Vec<&[usize]> = numbers.chunks(BATCH).collect();
        let mut made = Vec::with_capacity(numbers.len());
        run(
            batches.len(),
            *threads,
            usize::MAX,
            |job, lane| {
                let (batch, mut buf) = (batches.get(job).copied().unwrap_or_default(), Vec::new());
                let keyed = |i: &usize| Some((*i, key(inputs.get(*i)?, &mut buf)?));
                lane.put(Keys(batch.iter().filter_map(keyed).collect())).map(Ok)
            },
            |Keys(keys)| {
                made.extend(keys);
                if tell(told).is_break() { Err(Error::Stopped) } else { Ok(None) }
            },
        )?;
        Ok(made)
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
    fn check(inputs: &[Input], expected: &[(&[u8], &[usize])]) {
        let expected: Vec<Equals> = expected
            .iter()
            .map(|(content, inputs)| Equals {
                hash: *blake3::hash(content).as_bytes(),
                inputs: inputs.to_vec(),
            })
            .collect();
        for threads in [1, 3] {
            let threads = NonZeroUsize::new(threads).unwrap();
            let found = find(inputs, threads, &mut |_| ControlFlow::Continue(())).unwrap();
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
        let inputs = [
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
        check(&inputs, &[(b"same", &[0, 3, 6]), (&long, &[1, 4, 7])]);
        // After this, the file `a` cannot be read, so it equals no other input.
        std::fs::remove_file(dir.path().join("a")).unwrap();
        check(&inputs, &[(b"same", &[0, 6]), (&long, &[1, 4, 7])]);
    }

    #[test]
    fn many_inputs_are_sorted_out_by_their_contents() {
        // Every third input has a content that no other input has. The others share 50 contents.
        let content = |n: usize| match n % 3 {
            0 => format!("own {n:06}"),
            _ => format!("shared {:03}", n % 50),
        };
        let inputs: Vec<Input> = (0..5_000).map(|n| input(n, content(n).into_bytes())).collect();
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
        check(&inputs, &expected);
    }

    #[test]
    fn a_caller_stops_the_search() {
        let inputs: Vec<Input> = (0..10).map(|n| input(n, b"same".to_vec())).collect();
        let found = find(&inputs, NonZeroUsize::MIN, &mut |_| ControlFlow::Break(()));
        assert!(matches!(found, Err(crate::Error::Stopped)));
    }

    use std::io::Read;
}
