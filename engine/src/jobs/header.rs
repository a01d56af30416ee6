//! The header of a job: `-- setting: value`, a line each, before the statement.
//!
//! A line that looks like a setting and is none is an error: a job that ran without its `timeout` because of a slip
//! would be noticed too late.

use std::collections::BTreeMap;

use super::definition::{CHUNK_BYTES, Fault, Job, Missed, Mode, RETRIES, TIMEOUT};
use super::quantity;
use super::schedule::Schedule;
use crate::catalog::{CATALOG, Name, SCHEMAS};
use crate::sql::{self, Statement};

/// Settings, each with what may be written.
pub const SETTINGS: &[(&str, &str)] = &[
    ("job", "a name"),
    ("schedule", "minute hour day month weekday Zone/City"),
    ("target", "a table"),
    (
        "mode",
        "incremental on TABLE, append, replace, replace partition, merge on COLUMN",
    ),
    ("key", "columns of the result"),
    ("partition", "columns of the result"),
    ("chunk", "a size, like 256 MB"),
    ("timeout", "a span of time, like 6h"),
    ("retries", "a number"),
    ("after", "names of jobs"),
    ("jitter", "a span of time, like 5m"),
    ("missed", "once, skip or all"),
    ("deleted", "stop or keep"),
];
/// Longest name of a job.
const LONGEST_NAME: usize = 100;
/// Most attempts.
const MOST_RETRIES: u32 = 100;

/// Reads a job's file.
pub fn parse(text: &str, name: Option<&str>) -> Result<Job, Vec<Fault>> {
    let mut reading = Reading::default();
    let mut body_line = 0;
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        let trimmed = line.trim();
        match trimmed.strip_prefix("--") {
            Some(comment) => reading.comment(line_number, comment.trim()),
            None if trimmed.is_empty() => {}
            None => {
                body_line = line_number;
                break;
            }
        }
    }
    let sql: String = match body_line {
        0 => String::new(),
        line => text.lines().skip(line - 1).collect::<Vec<_>>().join("\n"),
    };
    reading.finish(text, sql.trim(), body_line, name)
}

#[derive(Default)]
struct Reading {
    values: BTreeMap<&'static str, (usize, String)>,
    description: Vec<String>,
    faults: Vec<Fault>,
}

impl Reading {
    fn comment(&mut self, line: usize, comment: &str) {
        let Some((word, value)) = comment.split_once(':') else {
            self.description.push(comment.to_string());
            return;
        };
        let word = word.trim();
        if let Some((setting, form)) = SETTINGS.iter().find(|(known, _)| *known == word) {
            // What stands behind the value in parentheses explains it.
            let value = match value.find("  (") {
                Some(remark) => &value[..remark],
                None => value,
            };
            let value = value.trim();
            if value.is_empty() {
                self.fault(line, format!("{setting} has no value: write {form}"));
            } else if self
                .values
                .insert(setting, (line, value.to_string()))
                .is_some()
            {
                self.fault(line, format!("{setting} is there twice: leave one out"));
            }
            return;
        }
        let is_word = !word.is_empty() && word.chars().all(|letter| letter.is_ascii_lowercase());
        match is_word && !value.starts_with("//") {
            false => self.description.push(comment.to_string()),
            true => {
                let known: Vec<&str> = SETTINGS.iter().map(|(known, _)| *known).collect();
                self.fault(
                    line,
                    format!(
                        "there is no setting {word}; there are {} (a comment may begin with a capital letter)",
                        known.join(", ")
                    ),
                );
            }
        }
    }

    fn fault(&mut self, line: usize, message: impl Into<String>) {
        self.faults.push(Fault::new(line, message));
    }

    /// The value of a setting as `read` understands it.
    fn value<T>(
        &mut self,
        setting: &'static str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (line, value) = self.values.get(setting)?.clone();
        match read(&value) {
            Ok(value) => Some(value),
            Err(why) => {
                self.fault(line, format!("{setting}: {why}"));
                None
            }
        }
    }

    fn line(&self, setting: &str) -> usize {
        self.values.get(setting).map_or(0, |(line, _)| *line)
    }

    fn finish(
        mut self,
        text: &str,
        sql: &str,
        sql_line: usize,
        name: Option<&str>,
    ) -> Result<Job, Vec<Fault>> {
        let name = match self.value("job", check_name) {
            Some(name) => name,
            None => match name.map(check_name) {
                Some(Ok(name)) => name,
                Some(Err(why)) => {
                    self.fault(
                        0,
                        format!("the name of the file: {why}; write -- job: NAME"),
                    );
                    String::new()
                }
                None => {
                    if !self.values.contains_key("job") {
                        self.fault(0, "it has no name: write -- job: NAME");
                    }
                    String::new()
                }
            },
        };
        let statements = self.statements(sql, sql_line);
        let target = self.value("target", table);
        let mode = self.value("mode", mode);
        let mode = match (mode, &target) {
            (Some(mode), _) => mode,
            (None, None) => Mode::Statement,
            (None, Some(_)) => {
                if !self.values.contains_key("mode") {
                    self.fault(
                        self.line("target"),
                        "a job with a target needs a mode: incremental on TABLE, append, replace, replace partition or merge on COLUMN",
                    );
                }
                Mode::Replace
            }
        };
        let key = self.value("key", columns).unwrap_or_default();
        let job = Job {
            name,
            description: self.description.join("\n").trim().to_string(),
            schedule: self.value("schedule", Schedule::parse),
            partition: self.value("partition", columns).unwrap_or_default(),
            chunk_bytes: self.value("chunk", quantity::bytes).unwrap_or(CHUNK_BYTES),
            timeout: self.value("timeout", quantity::duration).unwrap_or(TIMEOUT),
            retries: self.value("retries", retries).unwrap_or(RETRIES),
            after: self.value("after", names).unwrap_or_default(),
            jitter: self.value("jitter", quantity::duration).unwrap_or_default(),
            missed: self.value("missed", missed).unwrap_or(Missed::Once),
            keeps_deleted: self.value("deleted", deleted).unwrap_or(false),
            target,
            mode,
            key,
            sql: sql.to_string(),
            sql_line,
            text: text.to_string(),
        };
        self.check(&job, &statements);
        match self.faults.is_empty() {
            true => Ok(job),
            false => {
                self.faults.sort_by_key(|fault| fault.line);
                Err(self.faults)
            }
        }
    }

    fn statements(&mut self, sql: &str, sql_line: usize) -> Vec<Statement> {
        if sql.is_empty() {
            self.fault(0, "it has no statement: write one below the header");
            return Vec::new();
        }
        match sql::parse(sql) {
            Ok(statements) => statements,
            Err(error) => {
                self.fault(sql_line, error.to_string());
                Vec::new()
            }
        }
    }

    /// What goes together.
    fn check(&mut self, job: &Job, statements: &[Statement]) {
        if job.after.contains(&job.name) {
            self.fault(self.line("after"), "a job cannot run after itself");
        }
        if job.target.is_none() {
            for setting in ["mode", "key", "partition", "chunk", "deleted"] {
                if self.values.contains_key(setting) {
                    self.fault(
                        self.line(setting),
                        format!("{setting} is for jobs with a target: write -- target: TABLE, or leave {setting} out"),
                    );
                }
            }
            if let [one] = statements
                && one.is_query()
            {
                self.fault(
                    job.sql_line,
                    "a query without a target does nothing: write -- target: TABLE and -- mode: …",
                );
            }
            return;
        }
        let is_one_query = matches!(statements, [one] if one.is_query());
        if !statements.is_empty() && !is_one_query {
            self.fault(
                job.sql_line,
                "a job with a target is one query, whose rows go there; statements that write by themselves have none",
            );
        }
        if let Some(target) = &job.target
            && target.schema_name != SCHEMAS[0]
        {
            self.fault(
                self.line("target"),
                format!("{target} belongs to paratope itself: name a table in main"),
            );
        }
        if !job.key.is_empty() && !matches!(job.mode, Mode::Incremental(_) | Mode::Append) {
            self.fault(
                self.line("key"),
                format!(
                    "key is for the modes incremental and append; {} has no use for it",
                    job.mode
                ),
            );
        }
        if job.source().is_some() && job.source() == job.target.as_ref() {
            self.fault(
                self.line("target"),
                "the target is the source: each run would read what the one before wrote",
            );
        }
        for setting in ["chunk", "deleted"] {
            if self.values.contains_key(setting) && job.source().is_none() {
                self.fault(
                    self.line(setting),
                    format!("{setting} is for the mode incremental"),
                );
            }
        }
    }
}

/// Names of jobs are names of files and objects too.
pub fn check_name(text: &str) -> Result<String, String> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    let starts = text.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_');
    match starts && text.chars().all(plain) && text.len() <= LONGEST_NAME {
        true => Ok(text.to_string()),
        false => Err(format!(
            "'{text}' cannot be the name of a job: write letters, digits, _ and -, at most {LONGEST_NAME}"
        )),
    }
}

fn table(text: &str) -> Result<Name, String> {
    let wrong = || format!("'{text}' is not the name of a table: write table or schema.table");
    let parts: Vec<String> = text
        .split('.')
        .map(|part| match part.strip_prefix('"') {
            Some(quoted) => quoted.trim_end_matches('"').to_string(),
            None => part.trim().to_lowercase(),
        })
        .collect();
    if parts.iter().any(String::is_empty)
        || text.contains(char::is_whitespace) && !text.contains('"')
    {
        return Err(wrong());
    }
    match parts.as_slice() {
        [table] => Ok(Name::main(table)),
        [schema, table] => Ok(Name::new(schema, table)),
        [catalog, schema, table] if catalog == CATALOG => Ok(Name::new(schema, table)),
        _ => Err(wrong()),
    }
}

fn mode(text: &str) -> Result<Mode, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let lower: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    match lower.as_slice() {
        ["append"] => Ok(Mode::Append),
        ["replace"] => Ok(Mode::Replace),
        ["replace", "partition" | "[partition]"] => Ok(Mode::ReplacePartition),
        ["incremental", "on", _] => table(words[2]).map(Mode::Incremental),
        ["incremental"] => Err("incremental on which table? Write incremental on TABLE".into()),
        ["merge", "on", ..] if words.len() > 2 => columns(&words[2..].join(" ")).map(Mode::Merge),
        ["merge", ..] => Err("merge on which column? Write merge on COLUMN".into()),
        _ => Err(format!(
            "there is no mode '{text}'; write incremental on TABLE, append, replace, replace partition or merge on COLUMN"
        )),
    }
}

/// Names of columns, as SQL normalises them.
fn columns(text: &str) -> Result<Vec<String>, String> {
    let mut found: Vec<String> = Vec::new();
    for part in text.split(',').map(str::trim) {
        let name = match part
            .strip_prefix('"')
            .and_then(|part| part.strip_suffix('"'))
        {
            Some(quoted) => quoted.to_string(),
            None if part.contains(char::is_whitespace) => {
                return Err(format!(
                    "'{part}' is not a column: put commas between columns"
                ));
            }
            None => part.to_lowercase(),
        };
        if name.is_empty() {
            return Err("write names of columns, separated by commas".into());
        }
        if found.contains(&name) {
            return Err(format!("{name} is there twice"));
        }
        found.push(name);
    }
    Ok(found)
}

fn names(text: &str) -> Result<Vec<String>, String> {
    text.split(',')
        .map(|name| check_name(name.trim()))
        .collect()
}

fn retries(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|retries| *retries <= MOST_RETRIES)
        .ok_or_else(|| format!("'{text}' is not a number of retries: write 0 to {MOST_RETRIES}"))
}

fn missed(text: &str) -> Result<Missed, String> {
    match text {
        "once" => Ok(Missed::Once),
        "skip" => Ok(Missed::Skip),
        "all" => Ok(Missed::All),
        _ => Err(format!(
            "'{text}': write once (one run stands for all missed ones), skip or all"
        )),
    }
}

fn deleted(text: &str) -> Result<bool, String> {
    match text {
        "stop" => Ok(false),
        "keep" => Ok(true),
        _ => Err(format!(
            "'{text}': write stop, or keep, which leaves results of deleted rows in the target"
        )),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed unwrap is a failed test
mod tests;
