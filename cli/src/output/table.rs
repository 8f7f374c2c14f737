//! Owns the laying out of rows in columns. What stands in the cells comes from the kinds in bosun-core.

/// Spaces between two columns.
const GAP: usize = 3;

/// Rows of text under headings. Column widths follow the widest cell; the last column is not padded.
#[derive(Debug, Default)]
pub(crate) struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows; headings are printed in capitals.
    pub(crate) fn new<T: Into<String>>(headings: impl IntoIterator<Item = T>) -> Self {
        let headings = headings
            .into_iter()
            .map(|heading| heading.into().to_uppercase())
            .collect();
        Self {
            headings,
            rows: Vec::new(),
        }
    }

    /// Adds one row; missing cells stay empty.
    pub(crate) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as lines, headings first unless `headings` is false.
    pub(crate) fn lines(&self, headings: bool) -> Vec<String> {
        let widths = self.widths(headings);
        let first = headings.then_some(&self.headings);
        first
            .into_iter()
            .chain(&self.rows)
            .map(|row| line(row, &widths))
            .collect()
    }

    /// Lines laid out by given widths, each widened in place where a cell needs it: for a watch, whose rows come one by one.
    pub(crate) fn lines_with(&self, widths: &mut Vec<usize>, headings: bool) -> Vec<String> {
        let own = self.widths(headings);
        widths.resize(widths.len().max(own.len()), 0);
        for (width, own) in widths.iter_mut().zip(own) {
            *width = (*width).max(own);
        }
        let first = headings.then_some(&self.headings);
        first
            .into_iter()
            .chain(&self.rows)
            .map(|row| line(row, widths))
            .collect()
    }

    fn widths(&self, headings: bool) -> Vec<usize> {
        let mut widths: Vec<usize> = self
            .headings
            .iter()
            .map(|heading| if headings { heading.chars().count() } else { 0 })
            .collect();
        for row in &self.rows {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(one_line(cell).chars().count());
            }
        }
        widths
    }
}

fn line(row: &[String], widths: &[usize]) -> String {
    let mut text = String::new();
    for (index, cell) in row.iter().enumerate() {
        let cell = one_line(cell);
        text.push_str(&cell);
        if index + 1 < row.len() {
            let width = widths.get(index).copied().unwrap_or_default() + GAP;
            text.extend(std::iter::repeat_n(
                ' ',
                width.saturating_sub(cell.chars().count()),
            ));
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// A cell may come from anywhere (an event's message): line breaks and control characters must not tear the table or reach
/// the terminal.
pub(crate) fn one_line(cell: &str) -> String {
    cell.chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["Name", "Age"]);
        table.push(vec!["a".into(), "5s".into()]);
        table.push(vec!["longer-name".into(), "\u{1b}[31m4h\n".into()]);
        assert_eq!(
            table.lines(true),
            ["NAME          AGE", "a             5s", "longer-name    [31m4h"]
        );
        assert_eq!(table.lines(false).len(), 2);
    }

    #[test]
    fn a_watch_keeps_its_widths() {
        let mut widths = Vec::new();
        let mut first = Table::new(["Name", "Age"]);
        first.push(vec!["longer-name".into(), "5s".into()]);
        first.lines_with(&mut widths, true);
        let mut second = Table::new(["Name", "Age"]);
        second.push(vec!["a".into(), "6s".into()]);
        assert_eq!(second.lines_with(&mut widths, false), ["a             6s"]);
    }
}
