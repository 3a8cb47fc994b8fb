//! Finds ids of rules, such as `R-TBL-04`, in a text.

/// An id, and the number of its line. Lines are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mention {
    pub id: String,
    pub line: usize,
}

/// Returns all ids in a line, from left to right.
pub fn ids_in(line: &str) -> Vec<&str> {
    let mut ids = Vec::new();
    let mut rest = line;
    let mut before = None;
    while let Some(first) = rest.chars().next() {
        match id_len(rest) {
            Some(len) if !before.is_some_and(part_of_word) => {
                ids.push(&rest[..len]);
                before = Some('0');
                rest = &rest[len..];
            }
            _ => {
                before = Some(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    ids
}

/// Returns the ids in a line that are written as `**R-TBL-04**`, which is how a document defines a
/// rule.
pub fn defined_in(line: &str) -> Vec<&str> {
    line.split("**").skip(1).step_by(2).filter(|bold| id_len(bold) == Some(bold.len())).collect()
}

/// Returns all ids in a text.
pub fn mentions(text: &str) -> Vec<Mention> {
    each_line(text, ids_in)
}

/// Returns all ids that a text defines.
pub fn definitions(text: &str) -> Vec<Mention> {
    each_line(text, defined_in)
}

fn each_line(text: &str, find: fn(&str) -> Vec<&str>) -> Vec<Mention> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        found.extend(find(line).into_iter().map(|id| Mention { id: id.to_owned(), line: at + 1 }));
    }
    found
}

/// Returns the length of the id at the start of a text; `None` if the text does not start with an
/// id.
fn id_len(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("R-")?;
    let area = rest.bytes().take_while(u8::is_ascii_uppercase).count();
    let number = rest.get(area..)?.strip_prefix('-')?;
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    let after = number.get(digits..)?.chars().next();
    (area > 0 && digits == 2 && !after.is_some_and(part_of_word)).then_some(area + digits + 3)
}

fn part_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::{Mention, defined_in, definitions, ids_in, mentions};

    #[track_caller]
    fn check(line: &str, ids: &[&str], defined: &[&str]) {
        assert_eq!(ids_in(line), ids, "{line}");
        assert_eq!(defined_in(line), defined, "{line}");
    }

    #[test]
    fn an_id_is_a_word_of_its_own() {
        check("", &[], &[]);
        check("R-TBL-04", &["R-TBL-04"], &[]);
        check("(R-TBL-04, R-A-00)", &["R-TBL-04", "R-A-00"], &[]);
        check(
            "R-TBL-04 and R-TBL-4 R-TBL-004 R-tbl-04 R--04 XR-TBL-04 R-TBL-04b",
            &["R-TBL-04"],
            &[],
        );
        check("R-R-TBL-04: é R-ÉTÉ-01 R-TBL-", &["R-TBL-04"], &[]);
    }

    #[test]
    fn a_definition_is_a_bold_id() {
        check("**R-TBL-04** A reader MUST.", &["R-TBL-04"], &["R-TBL-04"]);
        check(
            "- **R-A-01** see R-B-02, **not** **R-C-03**",
            &["R-A-01", "R-B-02", "R-C-03"],
            &["R-A-01", "R-C-03"],
        );
        check("**R-A-01 and more** R-B-02 **", &["R-A-01", "R-B-02"], &[]);
    }

    #[test]
    fn lines_count_from_one() {
        let mention = |id: &str, line| Mention { id: id.to_owned(), line };
        let text = "R-A-01\n\n**R-B-02** R-A-01\n";
        let all = [mention("R-A-01", 1), mention("R-B-02", 3), mention("R-A-01", 3)];
        assert_eq!(mentions(text), all);
        assert_eq!(definitions(text), [mention("R-B-02", 3)]);
    }
}
