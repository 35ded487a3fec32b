//! From text to sections of keys.

use super::CfgError;

/// A section as it stands in the file.
pub(super) struct RawSection {
    pub name: String,
    pub line: usize,
    pub entries: Vec<Entry>,
}

/// `key=value`
pub(super) struct Entry {
    pub key: String,
    pub value: String,
    pub line: usize,
}

/// Splits the text.
///
/// # Errors
/// [`CfgError`] for a line that is neither a section, a key with a value nor a comment.
pub(super) fn sections(file: &str, text: &str) -> Result<Vec<RawSection>, CfgError> {
    let mut sections: Vec<RawSection> = Vec::new();
    for (i, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let refuse = |expected: &str, help: &str| CfgError {
            file: file.to_owned(),
            line: i + 1,
            what: "line".into(),
            expected: expected.to_owned(),
            got: format!("`{}`", shortened(line)),
            help: help.to_owned(),
        };
        let bare: String = uncommented(line).chars().filter(|c| !c.is_whitespace()).collect();
        if bare.is_empty() {
            continue;
        }
        if let Some(rest) = bare.strip_prefix('[') {
            let name = rest.strip_suffix(']').ok_or_else(|| refuse("`[section]`", "close the bracket"))?;
            sections.push(RawSection { name: name.to_owned(), line: i + 1, entries: Vec::new() });
            continue;
        }
        let (key, value) = bare.split_once('=').ok_or_else(|| refuse("`key=value`", "comments begin with `#`"))?;
        let section = sections.last_mut().ok_or_else(|| refuse("`[net]` first", "is it a Darknet .cfg file?"))?;
        section.entries.push(Entry { key: key.to_owned(), value: value.to_owned(), line: i + 1 });
    }
    Ok(sections)
}

fn uncommented(line: &str) -> &str {
    line.split(['#', ';', '\0']).next().unwrap_or_default()
}

/// The beginning of a text that may be long or not for terminals.
pub(super) fn shortened(text: &str) -> String {
    const SHOWN: usize = 40;
    let shown: String = text.trim().chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.trim().chars().nth(SHOWN).is_some() { format!("{shown}…") } else { shown }
}
