//! The only place that prints: words for people on standard output, complaints on standard error.

use std::io::{self, Write};

use serde_json::Value;

/// Prints `text` and a line's end. A reader who has gone away (`| head`) is no failure.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Prints `text` on standard error.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// The rows of a table of JSON objects, under a head of their fields' names.
pub(crate) fn rows<'v>(
    columns: &[&str],
    objects: impl Iterator<Item = &'v Value>,
) -> Vec<Vec<String>> {
    let head = columns.iter().map(|column| column.replace('_', " ")).collect();
    let row = |object| columns.iter().map(|column| text(object, column)).collect();
    std::iter::once(head).chain(objects.map(row)).collect()
}

/// A field as it is read: strings without quotes, what is absent as a dash.
pub(crate) fn text(of: &Value, field: &str) -> String {
    match of.get(field) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The same rows, under something else.
pub(crate) fn indented(mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    rows.iter_mut().flatten().for_each(|cell| cell.insert_str(0, "  "));
    rows
}

/// Rows of a table as lines, each column as wide as its widest cell.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let row = |cells: &[&str]| cells.iter().map(|&cell| cell.to_owned()).collect();
        let rows = [row(&["limit", "used"]), row(&["60 requests", "7"]), row(&["é", ""])];
        assert_eq!(table(&rows), "limit        used\n60 requests  7\né");
    }
}
