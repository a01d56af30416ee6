//! A line of a script with carets under a part of it.

use std::ops::Range;

use console::measure_text_width;

/// What stands before the line.
const INDENT: &str = "  ";
/// Characters that are shown before the part where the line is too long.
const BEFORE: usize = 30;

/// The byte of a line and column, both from 1; the end of the script where there is none.
pub fn byte_at(script: &str, (line, column): (u64, u64)) -> usize {
    let (mut at_line, mut at_column) = (1, 1);
    for (byte, c) in script.char_indices() {
        if (at_line, at_column) >= (line, column) {
            return byte;
        }
        if c == '\n' {
            at_line += 1;
            at_column = 1;
        } else {
            at_column += 1;
        }
    }
    script.len()
}

/// `line 2, column 5:`, that line, and carets under `part` of it; at most `width` wide.
pub fn draw(script: &str, part: Range<usize>, width: usize) -> String {
    // A place behind the last line belongs to the end of that line.
    let start = part.start.min(script.trim_end().len());
    let line_start = script[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = script[start..]
        .find('\n')
        .map_or(script.len(), |newline| start + newline);
    let line = script[line_start..line_end].trim_end();
    let number = script[..start].matches('\n').count() + 1;
    let column = script[line_start..start].chars().count();
    let end = part.end.min(line_start + line.len()).max(start);
    let marked = script[start..end].chars().count();

    let letters: Vec<char> = line.chars().map(harmless).collect();
    let room = width.saturating_sub(INDENT.len() + 2).max(2 * BEFORE);
    let first = if letters.len() <= room {
        0
    } else {
        column.saturating_sub(BEFORE).min(letters.len() - room)
    };
    let last = letters.len().min(first + room);
    let mut shown: String = letters[first..last].iter().collect();
    let mut space: String = letters[first..column.min(last)].iter().map(blank).collect();
    if first > 0 {
        shown.insert(0, '…');
        space.insert(0, ' ');
    }
    if last < letters.len() {
        shown.push('…');
    }
    let under: String = letters
        .iter()
        .skip(column)
        .take(marked.min(last.saturating_sub(column)))
        .map(|letter| "^".repeat(width_of(*letter).max(1)))
        .collect();
    let carets = if under.is_empty() { "^" } else { &under };
    format!(
        "line {number}, column {}:\n{INDENT}{shown}\n{INDENT}{space}{carets}",
        column + 1
    )
}

/// A script must not command the terminal; tabs would move the caret.
fn harmless(letter: char) -> char {
    if letter.is_control() { ' ' } else { letter }
}

fn width_of(letter: char) -> usize {
    measure_text_width(letter.encode_utf8(&mut [0; 4]))
}

/// As many blanks as the letter is wide.
fn blank(letter: &char) -> String {
    " ".repeat(width_of(*letter))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    fn drawn(script: &str, part: &str, width: usize) -> String {
        let start = script.find(part).unwrap();
        draw(script, start..start + part.len(), width)
    }

    #[test]
    fn carets_stand_under_the_part_whatever_stands_before_it() {
        assert_eq!(
            drawn("SELECT 1,\n\té, '漢字', wrong\nFROM t", "wrong", 80),
            "line 2, column 11:\n   é, '漢字', wrong\n              ^^^^^"
        );
    }

    #[test]
    fn a_part_of_several_lines_is_marked_to_the_end_of_its_first() {
        assert_eq!(
            drawn("SELECT (a +\n b)", "(a +\n b)", 80),
            "line 1, column 8:\n  SELECT (a +\n         ^^^^"
        );
    }

    #[test]
    fn the_end_of_a_script_is_marked_behind_its_last_letter() {
        let script = "SELECT 1 +  \n\n";
        let end = "line 1, column 11:\n  SELECT 1 +\n            ^";
        assert_eq!(draw(script, 10..10, 80), end);
        assert_eq!(draw(script, script.len()..script.len(), 80), end);
        assert_eq!(draw("", 0..0, 80), "line 1, column 1:\n  \n  ^");
    }

    #[test]
    fn of_a_long_line_the_part_is_shown_and_no_line_is_wider_than_the_terminal() {
        let script = format!("SELECT '{}', wrong, '{}'", "Q".repeat(300), "Y".repeat(300));
        let text = drawn(&script, "wrong", 80);
        let lines: Vec<_> = text.lines().collect();
        assert!(
            lines.iter().all(|line| measure_text_width(line) <= 80),
            "{text}"
        );
        let caret = measure_text_width(lines[2].split('^').next().unwrap());
        let shown: String = lines[1].chars().skip(caret).take(5).collect();
        assert_eq!(shown, "wrong", "{text}");
        assert!(
            lines[1].starts_with("  …") && lines[1].ends_with('…'),
            "{text}"
        );
    }

    #[test]
    fn control_characters_are_not_sent_to_the_terminal() {
        assert!(!drawn("SELECT '\u{1b}[2J', x", "x", 80).contains('\u{1b}'));
    }

    #[test]
    fn lines_and_columns_count_letters() {
        let script = "é\nab";
        assert_eq!(byte_at(script, (1, 2)), 2);
        assert_eq!(byte_at(script, (2, 2)), 4);
        assert_eq!(byte_at(script, (9, 9)), script.len());
    }
}
