//! `SET` and `RESET`: the settings that a session may change, and no others.
//!
//! They are those that change how a query runs and neither what it answers nor how much it may take. `RESET` goes back to
//! what the session started with, where DataFusion's would go to its own defaults.

use std::collections::{BTreeMap, HashMap};

use datafusion::common::utils::datafusion_strsim::normalized_levenshtein;
use datafusion::logical_expr::{LogicalPlan, SetVariable, Statement};
use datafusion::prelude::SessionConfig;

use super::client_options::{ARCHIVED, ENDPOINTS};
use crate::error::{Error, Result};

/// What a setting takes.
#[derive(Debug, Clone, Copy)]
enum Takes {
    /// `true` or `false`.
    Flag,
    /// A whole number within bounds: memory and tasks grow with some.
    Number(u64, u64),
    /// A word that DataFusion knows.
    Word,
}

use Takes::{Flag, Number, Word};

/// Every setting that a session may change.
const SETTINGS: &[(&str, Takes)] = &[
    ("datafusion.execution.batch_size", Number(1, 65_536)),
    ("datafusion.execution.collect_statistics", Flag),
    ("datafusion.execution.parquet.bloom_filter_on_read", Flag),
    ("datafusion.execution.parquet.enable_page_index", Flag),
    ("datafusion.execution.parquet.pruning", Flag),
    ("datafusion.execution.parquet.pushdown_filters", Flag),
    ("datafusion.execution.parquet.reorder_filters", Flag),
    ("datafusion.execution.target_partitions", Number(0, 1_024)),
    ("datafusion.execution.time_zone", Word),
    ("datafusion.explain.analyze_level", Word),
    ("datafusion.explain.format", Word),
    ("datafusion.explain.logical_plan_only", Flag),
    ("datafusion.explain.physical_plan_only", Flag),
    ("datafusion.explain.show_schema", Flag),
    ("datafusion.explain.show_sizes", Flag),
    ("datafusion.explain.show_statistics", Flag),
    (
        "datafusion.explain.tree_maximum_render_width",
        Number(0, 10_000),
    ),
    (
        "datafusion.optimizer.enable_aggregate_dynamic_filter_pushdown",
        Flag,
    ),
    (
        "datafusion.optimizer.enable_distinct_aggregation_soft_limit",
        Flag,
    ),
    ("datafusion.optimizer.enable_dynamic_filter_pushdown", Flag),
    (
        "datafusion.optimizer.enable_join_dynamic_filter_pushdown",
        Flag,
    ),
    ("datafusion.optimizer.enable_round_robin_repartition", Flag),
    ("datafusion.optimizer.enable_sort_pushdown", Flag),
    ("datafusion.optimizer.enable_topk_aggregation", Flag),
    (
        "datafusion.optimizer.enable_topk_dynamic_filter_pushdown",
        Flag,
    ),
    ("datafusion.optimizer.enable_window_limits", Flag),
    ("datafusion.optimizer.filter_null_join_keys", Flag),
    ("datafusion.optimizer.join_reordering", Flag),
    ("datafusion.optimizer.prefer_existing_sort", Flag),
    ("datafusion.optimizer.prefer_hash_join", Flag),
    ("datafusion.optimizer.repartition_aggregations", Flag),
    (
        "datafusion.optimizer.repartition_file_min_size",
        Number(0, 1 << 40),
    ),
    ("datafusion.optimizer.repartition_file_scans", Flag),
    ("datafusion.optimizer.repartition_joins", Flag),
    ("datafusion.optimizer.repartition_sorts", Flag),
    ("datafusion.optimizer.repartition_windows", Flag),
    ("datafusion.optimizer.top_down_join_key_reordering", Flag),
    (ARCHIVED, Word),
    (ENDPOINTS, Word),
];

/// Settings that belong to the process, with what to do instead.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "datafusion.runtime.",
        "memory, caches and temporary files are the process's: set memory_bytes, memory_fraction or metadata_cache_bytes under [query] in paratope.toml, or in the environment (PARATOPE__QUERY__MEMORY_BYTES)",
    ),
    (
        "datafusion.catalog.",
        "the lake is the catalog; write schema.table",
    ),
    (
        "datafusion.sql_parser.",
        "the SQL is the same in every session",
    ),
    (
        "datafusion.execution.parquet.",
        "how files are read and written is said with the statement (OPTIONS, FORMAT)",
    ),
];

/// What a session started with.
#[derive(Debug)]
pub struct Settings {
    initial: HashMap<String, Option<String>>,
}

impl Settings {
    /// Remembers the settings of `config`.
    pub fn new(config: &SessionConfig) -> Self {
        let entries = config.options().entries().into_iter();
        Self {
            initial: entries
                .filter(|entry| known(&entry.key).is_some())
                .map(|entry| (entry.key, entry.value))
                .collect(),
        }
    }

    /// Their values in `config`.
    pub fn current(&self, config: &SessionConfig) -> BTreeMap<String, String> {
        let entries = config.options().entries().into_iter();
        entries
            .filter(|entry| known(&entry.key).is_some())
            .map(|entry| (entry.key, entry.value.unwrap_or_default()))
            .collect()
    }

    /// The plan as it may run: a `SET` or `RESET` of a setting that a session may change, and any other plan untouched.
    ///
    /// # Errors
    /// `Denied` for the settings of the process, `Invalid` for unknown ones and wrong values.
    pub fn admit(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        match plan {
            LogicalPlan::Statement(Statement::SetVariable(set)) => {
                allowed("SET", &set.variable)?.check(&set.variable, &set.value)?;
                Ok(LogicalPlan::Statement(Statement::SetVariable(set)))
            }
            LogicalPlan::Statement(Statement::ResetVariable(reset)) => {
                allowed("RESET", &reset.variable)?;
                let statement = match self.initial.get(&reset.variable).cloned().flatten() {
                    Some(value) => Statement::SetVariable(SetVariable {
                        variable: reset.variable,
                        value,
                    }),
                    None => Statement::ResetVariable(reset),
                };
                Ok(LogicalPlan::Statement(statement))
            }
            other => Ok(other),
        }
    }
}

fn known(key: &str) -> Option<Takes> {
    let found = SETTINGS.iter().find(|(known, _)| *known == key)?;
    Some(found.1)
}

fn allowed(verb: &str, key: &str) -> Result<Takes> {
    if let Some(takes) = known(key) {
        return Ok(takes);
    }
    if let Some((_, remedy)) = ELSEWHERE.iter().find(|(prefix, _)| key.starts_with(prefix)) {
        return Err(Error::Denied(format!(
            "{verb} {key}: a session cannot change it; {remedy}"
        )));
    }
    let near = SETTINGS
        .iter()
        .map(|(known, _)| (normalized_levenshtein(key, known), *known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > 0.7);
    let hint = match near {
        Some((_, near)) => format!("did you mean {near}?"),
        None => "SHOW ALL lists what there is; a session changes the switches of datafusion.execution, .optimizer and .explain that leave results as they are".to_string(),
    };
    Err(Error::Invalid(format!(
        "{verb} {key}: not a setting that a session can change; {hint}"
    )))
}

impl Takes {
    fn check(self, key: &str, value: &str) -> Result<()> {
        let Number(least, most) = self else {
            return Ok(()); // DataFusion checks words and flags itself
        };
        match value.parse::<u64>() {
            Ok(number) if (least..=most).contains(&number) => Ok(()),
            _ => Err(Error::Invalid(format!(
                "SET {key}: {value} is not a whole number from {least} to {most}"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use datafusion::logical_expr::ResetVariable;

    use super::super::client_options::ClientOptions;
    use super::*;

    fn set(variable: &str, value: &str) -> LogicalPlan {
        let (variable, value) = (variable.to_string(), value.to_string());
        LogicalPlan::Statement(Statement::SetVariable(SetVariable { variable, value }))
    }

    fn settings() -> Settings {
        let mut config = SessionConfig::new();
        config.options_mut().execution.parquet.pushdown_filters = true;
        config
            .options_mut()
            .extensions
            .insert(ClientOptions::default());
        Settings::new(&config)
    }

    #[test]
    fn every_setting_on_the_list_exists() {
        let mut config = SessionConfig::new();
        config
            .options_mut()
            .extensions
            .insert(ClientOptions::default());
        let all = config.options().entries();
        for (key, _) in SETTINGS {
            assert!(all.iter().any(|entry| entry.key == *key), "{key}");
        }
    }

    #[test]
    fn what_changes_results_or_limits_is_refused_with_the_remedy() {
        for (key, word) in [
            ("datafusion.runtime.memory_limit", "memory_bytes"),
            ("datafusion.runtime.temp_directory", "[query]"),
            ("datafusion.catalog.default_catalog", "schema.table"),
            ("datafusion.catalog.location", "schema.table"),
            ("datafusion.sql_parser.dialect", "the SQL is the same"),
            (
                "datafusion.execution.parquet.compression",
                "with the statement",
            ),
            ("datafusion.execution.enable_ansi_mode", "can change"),
            ("datafusion.optimizer.max_passes", "can change"),
            (
                "datafusion.execution.batchsize",
                "did you mean datafusion.execution.batch_size?",
            ),
            ("search_path", "SHOW ALL"),
            ("datafusion.execution", "can change"),
        ] {
            let error = settings().admit(set(key, "1")).unwrap_err().to_string();
            assert!(error.contains(key) && error.contains(word), "{error}");
            let variable = key.to_string();
            let reset = Statement::ResetVariable(ResetVariable { variable });
            let error = settings().admit(LogicalPlan::Statement(reset)).unwrap_err();
            assert!(error.to_string().contains("RESET"), "{error}");
        }
    }

    #[test]
    fn numbers_stay_within_bounds() {
        let settings = settings();
        settings
            .admit(set("datafusion.execution.batch_size", "1024"))
            .unwrap();
        for value in ["0", "1000000000", "-1", "many"] {
            let plan = set("datafusion.execution.batch_size", value);
            let error = settings.admit(plan).unwrap_err().to_string();
            assert!(error.contains("from 1 to 65536"), "{error}");
        }
    }

    #[test]
    fn reset_goes_back_to_what_the_session_started_with() {
        let variable = "datafusion.execution.parquet.pushdown_filters".to_string();
        let reset = Statement::ResetVariable(ResetVariable { variable });
        let plan = settings().admit(LogicalPlan::Statement(reset)).unwrap();
        let LogicalPlan::Statement(Statement::SetVariable(set)) = plan else {
            panic!("{plan:?}");
        };
        assert_eq!(set.value, "true");
    }
}
