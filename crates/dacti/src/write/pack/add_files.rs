//! Adds many files to a package that is built.

use super::PackageBuilder;
use super::input::{Content, Input, InputName, Spool};
use super::pipeline::{Weigh, run};
use crate::Error;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// The number of files that a thread takes at once.
const BATCH: usize = 256;

/// The inputs that a thread has made of its files, in the order of the files.
struct Batch(Vec<Result<Input, Error>>);

impl Weigh for Batch {
    fn weight(&self) -> usize {
        self.0.capacity().saturating_mul(size_of::<Result<Input, Error>>())
    }
}

impl PackageBuilder {
    /// Adds many files, as [`add`](Self::add) does for each. Several threads ask the system for the
    /// lengths of the files, so this takes less time.
    ///
    /// # Errors
    /// The error of [`add`](Self::add) for the first file that has one. The files before it were
    /// added.
    pub fn add_files(
        &mut self,
        files: impl IntoIterator<Item = (InputName, PathBuf)>,
    ) -> Result<&mut Self, Error> {
        let mut files = files.into_iter();
        let batches = core::iter::from_fn(|| {
            let batch: Vec<_> = files.by_ref().take(BATCH).collect();
            (!batch.is_empty()).then(|| Mutex::new(batch))
        });
        let batches: Vec<_> = batches.collect();
        let threads = crate::threads::count(self.options.threads);
        run(
            batches.len(),
            threads,
            usize::MAX,
            |number, lane| {
                let batch = batches.get(number).map(Mutex::lock);
                let batch = batch.map(|batch| batch.unwrap_or_else(PoisonError::into_inner));
                let batch = batch.map(|mut batch| core::mem::take(&mut *batch)).unwrap_or_default();
                let mut spool = Spool::default();
                let input = |(name, path)| Input::new(name, Content::file(path), &mut spool);
                lane.put(Batch(batch.into_iter().map(input).collect())).map(Ok)
            },
            |Batch(inputs)| {
                inputs.into_iter().try_for_each(|input| self.take(input?))?;
                Ok(None)
            },
        )?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use crate::{BuildOptions, Content, Error, InputName, PackageBuilder};
    use std::path::PathBuf;

    #[test]
    fn many_files_are_added_like_single_ones() {
        let dir = tempfile::tempdir().unwrap();
        let files: Vec<(InputName, PathBuf)> = (0..1000)
            .map(|n| {
                let path = dir.path().join(format!("{n}"));
                // Some files are empty, so they are read when they are added.
                std::fs::write(&path, vec![b'x'; n % 7]).unwrap();
                (InputName::from(format!("file/{n}")), path)
            })
            .collect();
        let mut one_by_one = PackageBuilder::new(BuildOptions::default());
        for (name, path) in files.clone() {
            one_by_one.add(name, Content::file(path)).unwrap();
        }
        let mut together = PackageBuilder::new(BuildOptions::default());
        together.add_files(files.clone()).unwrap();
        assert!(together.build_to_vec().unwrap().0 == one_by_one.build_to_vec().unwrap().0);

        let mut again = PackageBuilder::new(BuildOptions::default());
        let twice = files.iter().chain(files.get(500)).cloned();
        let error = again.add_files(twice).unwrap_err();
        assert!(matches!(error, Error::DuplicatePath { .. }), "{error}");

        std::fs::remove_file(dir.path().join("300")).unwrap();
        std::fs::remove_file(dir.path().join("900")).unwrap();
        let mut missing = PackageBuilder::new(BuildOptions::default());
        let error = missing.add_files(files).unwrap_err();
        assert!(error.to_string().contains("300"), "{error}");
        assert_eq!(missing.len(), 300);
    }
}
