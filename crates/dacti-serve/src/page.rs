//! Index pages: the files of a directory, and the regions of a package, as HTML.

use crate::site::Entry;
use core::fmt::Write;
use dacti::Names;
use dacti_dar::Cid;
use percent_encoding::utf8_percent_encode;

/// The maximum number of names on one page.
const NAMES_MAX: usize = 2_000;
/// The maximum length of all links of one page, in bytes. A name of 4,096 bytes takes up to 40,000
/// bytes as a link.
const LINKS_LEN_MAX: usize = 512 << 10;

/// Returns the page of a directory at `path`, which ends with `/`. `is_whole` tells whether
/// `entries` are all entries of the directory.
pub(crate) fn directory(path: &str, entries: &[Entry], is_whole: bool) -> String {
    let mut page = Page::new(path);
    if path != "/" {
        page.link("../", "../", None);
    }
    for entry in entries {
        let slash = if entry.is_directory { "/" } else { "" };
        let regions = entry.name.ends_with(".dacti-pack") && !entry.is_directory;
        page.name(&entry.name, slash, regions.then_some("-/"));
    }
    page.finish(is_whole)
}

/// Returns the page of the names of a folder at `path`, which ends with `/`.
pub(crate) fn names(path: &str, names: &[String]) -> String {
    let mut page = Page::new(path);
    // `/ipfs/CID/` has no folder above it.
    if path.matches('/').count() > 3 {
        page.link("../", "../", None);
    }
    for name in names {
        page.name(name, "", None);
    }
    page.finish(true)
}

/// Returns the page of a DAG-JSON or DAG-CBOR document at `path`: its links, and the forms in which
/// it can be fetched.
pub(crate) fn document(path: &str, links: &[Cid]) -> String {
    let mut page = Page::new(path);
    // The page's own path may end with `/`, so links begin at the root.
    let path = path.trim_end_matches('/');
    for format in ["raw", "car", "dar"] {
        page.link(&format!("{path}?format={format}"), &format!("format={format}"), None);
    }
    for link in links {
        if page.has_room() {
            page.link(&format!("/ipfs/{link}"), &link.to_string(), None);
        }
    }
    page.finish(true)
}

/// Returns the page of the regions of a package whose paths start with `folder`, which is empty or
/// ends with `/`; `None` if there are none. `path` is the path of the request.
pub(crate) fn regions(path: &str, names: &Names, folder: &str) -> Option<String> {
    let mut page = Page::new(path);
    if !folder.is_empty() {
        page.link("../", "../", None);
    }
    let mut last = None;
    for name in names.iter() {
        let Some(rest) = name.path.strip_prefix(folder) else {
            // Names are sorted, so the names in the folder follow one another. The first name after
            // them ends the loop.
            if last.is_some() {
                break;
            }
            continue;
        };
        // Of a deeper path, only the first folder is shown, once.
        let end = rest.find('/').map_or(rest.len(), |at| at.saturating_add(1));
        let Some(name) = rest.get(..end).filter(|name| !name.is_empty()) else { continue };
        if last != Some(name) {
            last = Some(name);
            page.name(name, "", None);
        }
    }
    last.is_some().then(|| page.finish(true))
}

/// Returns a relative reference to `name`, which may end with `/`.
fn href(name: &str) -> String {
    let (name, slash) = name.strip_suffix('/').map_or((name, ""), |name| (name, "/"));
    // Without `./`, the part of a name before a colon would be read as the scheme of a URL.
    format!("./{}{slash}", utf8_percent_encode(name, crate::target::ESCAPED))
}

/// A page that is being written. Names that have no room are only counted.
struct Page {
    text: String,
    /// The length of the text before the first link.
    start: usize,
    links: usize,
    left_out: usize,
}

impl Page {
    fn new(path: &str) -> Self {
        let path = escaped(&percent_encoding::percent_decode_str(path).decode_utf8_lossy());
        let text = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{path}</title>\n\
             <h1>{path}</h1>\n<ul>\n"
        );
        Self { start: text.len(), text, links: 0, left_out: 0 }
    }

    /// Tells whether another link has room. If not, counts it.
    fn has_room(&mut self) -> bool {
        let len = self.text.len().saturating_sub(self.start);
        let has_room = self.left_out == 0 && self.links < NAMES_MAX && len < LINKS_LEN_MAX;
        let count = if has_room { &mut self.links } else { &mut self.left_out };
        *count = count.saturating_add(1);
        has_room
    }

    /// Adds a link to a name, with `slash` after it, if the page has room for it.
    fn name(&mut self, name: &str, slash: &str, regions: Option<&str>) {
        if self.has_room() {
            let name = format!("{name}{slash}");
            self.link(&href(&name), &name, regions);
        }
    }

    /// Adds a link. For a package, also adds a link to its regions, at the package's URL with
    /// `regions` after it.
    fn link(&mut self, href: &str, name: &str, regions: Option<&str>) {
        let (href, name) = (escaped(href), escaped(name));
        // Writing to a string cannot fail.
        let _ = write!(self.text, "<li><a href=\"{href}\">{name}</a>");
        if let Some(regions) = regions {
            let _ = write!(self.text, " (<a href=\"{href}/{regions}\">regions</a>)");
        }
        self.text.push_str("</li>\n");
    }

    /// Ends the page. If names were left out, a last line gives their number, or a lower bound of
    /// the number if not all names are known.
    fn finish(mut self, is_whole: bool) -> String {
        self.text.push_str("</ul>\n");
        let least = if is_whole { "" } else { "at least " };
        if self.left_out > 0 || !is_whole {
            let _ = writeln!(self.text, "<p>and {least}{} more</p>", self.left_out.max(1));
        }
        self.text + "</html>\n"
    }
}

/// Escapes text for HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{LINKS_LEN_MAX, NAMES_MAX, directory};
    use crate::site::Entry;

    fn entry(name: &str, is_directory: bool) -> Entry {
        Entry { name: name.into(), is_directory }
    }

    #[test]
    fn names_are_escaped_in_links_and_in_text() {
        let entries = [entry("a&b<i>", true), entry("x:\"y\" z?#%.txt", false)];
        let page = directory("/%3Cb%3E/", &entries, true);
        assert!(page.contains("<title>/&lt;b&gt;/</title>"), "{page}");
        assert!(page.contains("<a href=\"../\">../</a>"), "{page}");
        assert!(page.contains("<a href=\"./a%26b%3Ci%3E/\">a&amp;b&lt;i&gt;/</a>"), "{page}");
        let link = "<a href=\"./x%3A%22y%22%20z%3F%23%25.txt\">x:&quot;y&quot; z?#%.txt</a>";
        assert!(page.contains(link), "{page}");
    }

    #[test]
    fn packages_link_to_their_regions_and_long_lists_end() {
        let mut entries = vec![entry("p.dacti-pack", false)];
        let page = directory("/", &entries, true);
        assert!(page.contains("(<a href=\"./p.dacti-pack/-/\">regions</a>)"), "{page}");
        assert!(!page.contains("../"));
        entries.extend((0..NAMES_MAX + 4).map(|n| entry(&n.to_string(), false)));
        let page = directory("/", &entries, true);
        assert_eq!(page.matches("<li>").count(), NAMES_MAX);
        assert!(page.contains("<p>and 5 more</p>"), "{page}");
        let page = directory("/", &entries, false);
        assert!(page.contains("<p>and at least 5 more</p>"), "{page}");
    }

    /// Counts the links of a page that are not to the folder above it, and the names left out.
    fn counts(page: &str) -> (usize, usize) {
        let links = page.matches("<li><a href=\"./").count();
        let more = page.split("<p>and ").nth(1).and_then(|rest| rest.split(' ').next());
        (links, more.map_or(0, |more| more.parse().unwrap()))
    }

    #[test]
    fn a_page_of_the_longest_names_takes_little_memory() {
        // No other character takes as much room as `\"`: 3 bytes in the reference of a link, and 6
        // in its text.
        let long = |n: usize| format!("{n:05}{}", "\"".repeat(4_000));
        let names: Vec<String> = (0..3_000).map(long).collect();
        let page = super::names("/ipfs/x/", &names);
        assert!(page.len() < LINKS_LEN_MAX + 50_000, "{}", page.len());
        let (links, more) = counts(&page);
        assert!(links > 10 && links + more == 3_000, "{links} and {more}");
    }

    #[test]
    fn folders_of_a_package_are_listed_once_in_memory_for_one_page() {
        let mut builder = dacti::PackageBuilder::new(dacti::BuildOptions::default());
        for n in 0..5_000 {
            builder.add(format!("d{n:04}/a"), vec![]).unwrap();
            builder.add(format!("d{n:04}/b"), vec![]).unwrap();
        }
        for path in ["a", "d", "d/x/y", "e/z"] {
            builder.add(path, vec![]).unwrap();
        }
        let (bytes, _) = builder.build_to_vec().unwrap();
        let package = dacti::Package::from_bytes(bytes).unwrap();
        let names = package.names().unwrap();
        let top = super::regions("/p/-/", names, "").unwrap();
        // The names are `a`, `d`, `d/`, 5,000 folders and `e/`. Each folder counts once.
        assert_eq!(counts(&top), (NAMES_MAX, 5_004 - NAMES_MAX));
        for (folder, expected) in [("d/", "./x/"), ("d4999/", "./a"), ("e/", "./z")] {
            let page = super::regions("/p/-/d/", names, folder).unwrap();
            assert!(page.contains(expected), "{page}");
            assert!(page.contains("../"), "{page}");
        }
        assert_eq!(super::regions("/p/-/x/", names, "x/"), None);
    }
}
