//! Counts two habits that make our sentences hard to read: a clause with "what" in place of a noun,
//! and "where" in place of "if". It counts them in comments, in documents, and in texts of the
//! crates.
//!
//! The count does not judge sentences. Some sentences with these words are good, but if there are
//! many such sentences, many of them are bad.

use crate::run::{Failure, Result};
use crate::tree::Tree;
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A habit: a word and its followers. The word counts if one of the followers is the next word.
pub struct Habit {
    pub word: &'static str,
    followers: &'static [&'static str],
    /// The maximum number of times that comments and documents may have the habit.
    pub comments_max: usize,
}

pub const HABITS: &[Habit] = &[
    Habit {
        word: "what",
        followers: &["is", "was", "are", "were", "they", "it", "has", "had", "a", "the"],
        comments_max: 60,
    },
    Habit {
        word: "where",
        followers: &["there", "that", "it", "they", "one", "nothing", "the", "a"],
        comments_max: 100,
    },
];

const CRATES: &str = "crates/";

impl Habit {
    /// Returns a line of text with both counts.
    pub fn told(&self, comments: usize, messages: usize) -> String {
        let (word, max) = (self.word, self.comments_max);
        format!("\"{word} …\" in comments: {comments}, at most {max}; in texts: {messages}")
    }

    /// Returns how many times a text has the habit.
    fn count(&self, text: &str) -> usize {
        let text = text.to_ascii_lowercase();
        let words = text.match_indices(self.word).filter(|&(at, word)| {
            let (before, rest) = (&text[..at], &text[at + word.len()..]);
            let follower = rest.strip_prefix(' ').map(first_word);
            !before.ends_with(is_word) && follower.is_some_and(|w| self.followers.contains(&w))
        });
        words.count()
    }

    /// Counts the habit in comments of Rust sources and in lines of documents.
    pub fn in_comments(&self, tree: &Tree) -> usize {
        let sources = tree.texts(".rs").map(|(path, text)| (path, comments(&text)));
        let documents = tree.texts(".md");
        let texts = sources.chain(documents).filter(|(path, _)| path.starts_with(CRATES));
        texts.map(|(_, text)| self.count(&text)).sum()
    }

    /// Counts the habit in string literals. Literals in code for tests do not count.
    pub fn in_messages(&self, tree: &Tree) -> Result<usize> {
        let mut count = 0;
        for (path, text) in tree.texts(".rs").filter(|(path, _)| path.starts_with(CRATES)) {
            let tokens: TokenStream =
                text.parse().map_err(|error| Failure::from(format!("{path}: {error}")))?;
            for literal in literals(tokens) {
                count += self.count(&literal);
            }
        }
        Ok(count)
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn first_word(text: &str) -> &str {
    &text[..text.find(|c| !is_word(c)).unwrap_or(text.len())]
}

/// Returns the lines that have only a comment.
fn comments(text: &str) -> String {
    let comments = text.lines().filter(|line| line.trim_start().starts_with("//"));
    comments.collect::<Vec<_>>().join("\n")
}

/// Returns the string literals, also those in macros. Leaves out documentation, and modules for
/// tests.
fn literals(tokens: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    let mut test = false;
    let mut attribute = false;
    for token in tokens {
        let after_hash = std::mem::take(&mut attribute);
        match token {
            TokenTree::Group(group) if after_hash && group.delimiter() == Delimiter::Bracket => {
                let text = group.stream().to_string().replace(' ', "");
                test |= text == "cfg(test)";
                if !text.starts_with("doc=") {
                    found.extend(literals(group.stream()));
                }
            }
            TokenTree::Group(group) if test => test &= group.delimiter() != Delimiter::Brace,
            TokenTree::Group(group) => found.extend(literals(group.stream())),
            TokenTree::Punct(punct) => {
                attribute = punct.as_char() == '#' || after_hash && punct.as_char() == '!';
                test &= punct.as_char() != ';';
            }
            TokenTree::Literal(literal) if !test => {
                found.extend(Some(literal.to_string()).filter(|text| text.contains('"')));
            }
            TokenTree::Literal(_) | TokenTree::Ident(_) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{HABITS, literals};
    use crate::tree::tests::tree;

    #[test]
    fn a_habit_is_two_words_with_a_space_between() {
        let [what, clause] = HABITS else { panic!("two") };
        assert_eq!(what.count("What is odd, what\nis, somewhat is, what isn_t, what, is"), 1);
        assert_eq!(what.count("it says what it is and what\u{20}a"), 2);
        assert_eq!(clause.count("Where there is, where that is; whereas the; where to"), 2);
    }

    #[test]
    fn comments_and_documents_of_the_crates_count() {
        let tree = tree(&[
            ("crates/a/src/lib.rs", "//! what is\n    // what is\nlet x = 1; // what is\n"),
            ("crates/a/README.md", "what is\n```\nwhat is\n```\n"),
            ("docs/a.md", "what is\n"),
        ]);
        assert_eq!(HABITS[0].in_comments(&tree), 4);
    }

    #[test]
    fn messages_are_literals_outside_tests() {
        let text = "//! \"doc\"\n#![doc = include_str!(\"R\")]\n#[error(\"a {b}\")]\nstruct S;\n\
            fn f() { print!(\"c{}\", 1); }\n#[cfg(test)]\nmod tests { const D: &str = \"d\"; }\n\
            #[cfg(test)]\nmod world;\nconst E: &[u8] = b\"e\";\n";
        let found = literals(text.parse().expect("tokens"));
        assert_eq!(found, ["\"a {b}\"", "\"c{}\"", "b\"e\""]);
        let tree = tree(&[("crates/a/src/lib.rs", "const A: &str = \"see what is there\";")]);
        assert_eq!(HABITS[0].in_messages(&tree), Ok(1));
    }
}
