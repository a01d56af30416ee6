//! The mmCIF format: categories of items, as rows of loops or one by one (PDBx/mmCIF dictionary 5, <https://mmcif.wwpdb.org>).

mod categories;
mod facts;

use self::categories::{Row, Slot, slot};
use self::facts::{Facts, Place};
use super::assembly::TooLarge;
use super::entry::Entry;
use super::faults::Faults;
use super::star::{Token, Tokens};

/// The most columns of a loop; the widest of the dictionary have about a hundred.
const MOST_COLUMNS: usize = 1_000;

/// What is expected next.
#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    /// The value of an item.
    Item(Option<Slot>),
    /// More names of columns, or values.
    Columns(Vec<Option<Slot>>),
    /// The value of a column.
    Rows(Vec<Option<Slot>>, usize),
}

/// Reads an entry line by line.
#[derive(Debug, Default)]
pub(super) struct Reader {
    tokens: Tokens,
    state: State,
    row: Row,
    facts: Facts,
}

impl Reader {
    /// Takes a line, without its end.
    ///
    /// # Errors
    /// An entry that is too large; what cannot be read goes to `faults`.
    pub(super) fn line(
        &mut self,
        line: &str,
        number: u64,
        faults: &mut Faults,
    ) -> Result<(), TooLarge> {
        let Self {
            tokens,
            state,
            row,
            facts,
        } = self;
        tokens.line(line, |token| {
            if facts.is_over {
                return Ok(());
            }
            let mut place = Place {
                line,
                number,
                faults: &mut *faults,
            };
            take(token, state, row, facts, &mut place)
        })
    }

    /// The entry; `None` where there is no row of `_atom_site`.
    ///
    /// # Errors
    /// An entry that is too large.
    pub(super) fn finish(
        mut self,
        number: u64,
        faults: &mut Faults,
    ) -> Result<Option<Entry>, TooLarge> {
        let mut place = Place {
            line: "",
            number,
            faults,
        };
        if self.tokens.is_within_text() {
            place.wrong("the file ends within a text that started with ;");
        }
        end(&mut self.state, &mut self.row, &mut self.facts, &mut place)?;
        self.facts.finish()
    }
}

fn take(
    token: Token<'_>,
    state: &mut State,
    row: &mut Row,
    facts: &mut Facts,
    place: &mut Place<'_>,
) -> Result<(), TooLarge> {
    match token {
        Token::Data(name) => {
            end(state, row, facts, place)?;
            facts.block(name, place);
        }
        Token::Loop => {
            end(state, row, facts, place)?;
            *state = State::Columns(Vec::new());
        }
        Token::Foreign => {
            end(state, row, facts, place)?;
            place.wrong("save frames, global_ and stop_ do not occur in mmCIF files");
        }
        Token::Tag(tag) => match state {
            State::Columns(columns) => {
                columns.push(slot(tag));
                if columns.len() > MOST_COLUMNS {
                    return Err(TooLarge);
                }
            }
            State::Rows(..) => {
                end(state, row, facts, place)?;
                *state = State::Item(slot(tag));
            }
            State::Item(_) => {
                place.wrong("an item without a value");
                *state = State::Item(slot(tag));
            }
            State::Idle => *state = State::Item(slot(tag)),
        },
        Token::Value(value) => match state {
            State::Idle => place.wrong("a value without a name"),
            State::Item(slot) => {
                if let Some((category, item)) = *slot {
                    // A name that comes again begins another row.
                    if row.category != Some(category) || row.get(item).is_some() {
                        facts.row(row, place)?;
                        row.start(category);
                    }
                    row.set(item, value);
                }
                *state = State::Idle;
            }
            State::Columns(columns) if columns.is_empty() => {
                place.wrong("a loop without names");
                *state = State::Idle;
            }
            State::Columns(columns) => {
                let columns = std::mem::take(columns);
                *state = State::Rows(columns, 0);
                return take(token, state, row, facts, place);
            }
            State::Rows(columns, next) => {
                if *next == 0
                    && let Some((category, _)) = columns.iter().flatten().next()
                {
                    row.start(*category);
                }
                if let Some((category, item)) = columns[*next]
                    && row.category == Some(category)
                {
                    row.set(item, value);
                }
                *next += 1;
                if *next == columns.len() {
                    *next = 0;
                    facts.row(row, place)?;
                }
            }
        },
    }
    Ok(())
}

/// Ends a loop, or the items of a category.
fn end(
    state: &mut State,
    row: &mut Row,
    facts: &mut Facts,
    place: &mut Place<'_>,
) -> Result<(), TooLarge> {
    match std::mem::take(state) {
        State::Rows(columns, next) if next > 0 => {
            row.category = None;
            place.wrong(&format!(
                "a loop ends within a row, after {next} of {} values",
                columns.len()
            ));
        }
        State::Item(_) => place.wrong("an item without a value"),
        _ => {}
    }
    facts.row(row, place)
}
