//! The file for `--ids`, which gives explicit ids to paths: each line is a UUID and a path.

use crate::outcome::Failure;
use crate::output::shown;
use dacti::update::Update;
use dacti::{Attributes, Content, InputName};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// The option that names the file.
#[derive(Debug, clap::Args)]
pub(crate) struct IdsFile {
    /// Give explicit ids to paths. Each line of the file is a UUID and a path; # starts a comment.
    #[arg(long = "ids", value_name = "FILE")]
    pub(crate) path: Option<PathBuf>,
}

impl IdsFile {
    /// Reads the file. If there is no file, no path has an explicit id.
    pub(crate) fn read(&self) -> Result<Ids, Failure> {
        Ok(self.path.as_deref().map(Ids::read).transpose()?.unwrap_or_default())
    }
}

/// Explicit ids by path.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    /// The name of the file with the ids, safe to print.
    file: String,
    /// The id of each path that no region has taken yet, and the number of its line.
    by_path: BTreeMap<String, (Uuid, u64)>,
}

impl Ids {
    fn read(file: &Path) -> Result<Self, Failure> {
        let shown = shown(file);
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::Failed(format!("cannot read {shown}: {error}")))?;
        Self::parse(shown, &text)
    }

    fn parse(file: String, text: &str) -> Result<Self, Failure> {
        let mut ids = Self { file, by_path: BTreeMap::new() };
        let mut lines_of = BTreeMap::new();
        // Some editors put a byte order mark in front of UTF-8.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (line, number) in text.lines().zip(1_u64..) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (path, id) = path_and_id(line).map_err(|what| ids.wrong(number, &what))?;
            if let Some(first) = lines_of.insert(id, number) {
                return Err(ids.wrong(number, &format!("the id {id} is already in line {first}")));
            }
            match ids.by_path.entry(path) {
                Entry::Vacant(place) => drop(place.insert((id, number))),
                Entry::Occupied(found) => {
                    let (path, (_, first)) = (found.key(), found.get());
                    let what = format!("{path:?} already has an id, in line {first}");
                    return Err(ids.wrong(number, &what));
                }
            }
        }
        Ok(ids)
    }

    /// Removes the id of a path, and returns it with the number of its line.
    pub(crate) fn take(&mut self, path: &str) -> Option<(Uuid, u64)> {
        self.by_path.remove(path)
    }

    /// Puts content under a path, with the path's explicit id if the file gives one.
    pub(crate) fn put(
        &mut self,
        update: &mut Update,
        path: String,
        attributes: Attributes,
        content: Content<'_>,
    ) -> Result<(), Failure> {
        let Some((id, line)) = self.take(&path) else {
            update.put(InputName::from(path).with_attributes(attributes), content)?;
            return Ok(());
        };
        let name = InputName::path_with_id(path, id).with_attributes(attributes);
        update.put(name, content).map(drop).map_err(|error| match error {
            dacti::Error::ReservedId { .. } => self.wrong(line, &error.to_string()),
            error => error.into(),
        })
    }

    /// Fails if the file gives an id to a path that was not packed.
    pub(crate) fn end(&self) -> Result<(), Failure> {
        match self.by_path.iter().min_by_key(|(_, (_, line))| line) {
            Some((path, (_, line))) => {
                Err(self.wrong(*line, &format!("{path:?} is not the path of a packed file")))
            }
            None => Ok(()),
        }
    }

    /// Returns a failure that names a line of the file.
    pub(crate) fn wrong(&self, line: u64, what: &str) -> Failure {
        Failure::Failed(format!("{}, line {line}: {what}", self.file))
    }
}

fn path_and_id(line: &str) -> Result<(String, Uuid), String> {
    let (id, path) =
        line.split_once(char::is_whitespace).ok_or("expected a UUID, a blank and a path")?;
    let id = Uuid::parse_str(id).map_err(|error| error.to_string())?;
    let path = dacti_names::normalize(path.trim_start());
    match dacti_names::check_path(&path) {
        Ok(_) => Ok((path.into_owned(), id)),
        Err(dacti_names::Error::Path { fault, .. }) => {
            Err(format!("{path:?} cannot be the path of a region: it {fault}"))
        }
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, Ids};
    use uuid::Uuid;

    const ID: &str = "00000000-0000-0000-0000-000000000abc";
    const OTHER: &str = "00000000-0000-0000-0000-000000000def";

    #[test]
    fn lines_are_ids_and_paths() {
        let text = format!("\u{feff}{ID} a\r\n# note\n\n {OTHER}\t with blank \n");
        let mut ids = Ids::parse("ids".into(), &text).unwrap();
        assert_eq!(ids.take("a"), Some((Uuid::from_u128(0xabc), 1)));
        assert!(ids.end().is_err());
        assert_eq!(ids.take("with blank"), Some((Uuid::from_u128(0xdef), 4)));
        assert_eq!(ids.take("a"), None);
        assert!(ids.end().is_ok());
    }

    #[test]
    fn faults_name_their_line() {
        for (text, expected) in [
            ("# one\nno-uuid a".into(), "ids, line 2: "),
            (ID.into(), "ids, line 1: expected a UUID"),
            (format!("{ID} ../a"), "ids, line 1: \"../a\" cannot be the path of a region: it has"),
            (
                format!("{ID} a\n{ID} b"),
                "ids, line 2: the id 00000000-0000-0000-0000-000000000abc is already in line 1",
            ),
            (format!("{ID} a\n\n{OTHER} a"), "ids, line 3: \"a\" already has an id, in line 1"),
        ] {
            let Err(Failure::Failed(told)) = Ids::parse("ids".into(), &text) else {
                panic!("{text:?} was taken")
            };
            assert!(told.starts_with(expected), "{told}");
        }
    }
}
