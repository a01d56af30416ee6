//! `read_*`: the function as a caller sees it, and the table it gives.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{ScalarValue, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use object_store::path::Path;

use super::exec::{ReadExec, SourceFile};
use super::listing::list;
use crate::formats::{Alphabet, Format, MoleculeTable, column_mapping};

/// Reads files of one format.
#[derive(Debug)]
pub(super) struct ReadFunction {
    name: &'static str,
    format: &'static dyn Format,
}

impl ReadFunction {
    pub(super) fn new(name: &'static str, format: &'static dyn Format) -> Self {
        Self { name, format }
    }

    /// The arguments as text.
    fn texts(&self, exprs: &[Expr]) -> Result<Vec<String>> {
        let name = self.name;
        exprs
            .iter()
            .map(|expr| match expr {
                Expr::Literal(
                    ScalarValue::Utf8(Some(text))
                    | ScalarValue::LargeUtf8(Some(text))
                    | ScalarValue::Utf8View(Some(text)),
                    _,
                ) => Ok(text.clone()),
                other => plan_err!("{name} takes texts in single quotes, not {other}"),
            })
            .collect()
    }
}

impl TableFunctionImpl for ReadFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let mut paths = self.texts(args.exprs())?;
        let mut alphabet = Alphabet::Auto;
        if self.format.name() == "fasta" && paths.len() > 1 {
            let said = paths.last().and_then(|word| alphabet_of(word));
            if let Some(said) = said {
                alphabet = said;
                paths.pop();
            }
        }
        let mut columns = Vec::new();
        if self.format.name() == MoleculeTable.name() {
            while paths.len() > 1
                && let Some(mapped) = paths.last().and_then(|word| column_mapping(word))
            {
                columns.insert(0, mapped);
                paths.pop();
            }
        }
        if paths.is_empty() {
            let name = self.name;
            return plan_err!("{name} needs a file, folder, glob or URL: {name}('path')");
        }
        let mut fields: Vec<Arc<Field>> = self.format.schema()?.fields().to_vec();
        fields.push(Arc::new(Field::new("source_file", DataType::Utf8, false)));
        Ok(Arc::new(Files {
            format: self.format,
            paths,
            alphabet,
            columns,
            schema: Arc::new(Schema::new(fields)),
        }))
    }
}

fn alphabet_of(word: &str) -> Option<Alphabet> {
    match word {
        "auto" => Some(Alphabet::Auto),
        "nucleotide" => Some(Alphabet::Nucleotide),
        "amino_acid" => Some(Alphabet::AminoAcid),
        _ => None,
    }
}

/// Files of one format as a table. What the paths name is looked up when a query is planned.
#[derive(Debug)]
struct Files {
    format: &'static dyn Format,
    paths: Vec<String>,
    alphabet: Alphabet,
    columns: Vec<(String, String)>,
    schema: SchemaRef,
}

impl Files {
    /// A file that another of them is read with is no file of the table.
    fn leave_out_companions(&self, files: &mut Vec<SourceFile>) {
        let companions: HashSet<Path> = files
            .iter()
            .flat_map(|file| {
                let names = self
                    .format
                    .companions(file.path.filename().unwrap_or_default());
                names.into_iter().map(|name| file.beside(&name).path)
            })
            .collect();
        files.retain(|file| !companions.contains(&file.path));
    }
}

#[async_trait]
impl TableProvider for Files {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut files = Vec::new();
        for path in &self.paths {
            files.extend(list(path, state.runtime_env()).await?);
        }
        self.leave_out_companions(&mut files);
        let partitions = state.config().target_partitions();
        let scan = ReadExec::try_new(
            self.format,
            self.alphabet,
            files,
            partitions,
            Arc::clone(&self.schema),
            projection.cloned(),
            limit,
        )?;
        Ok(Arc::new(scan.with_columns(self.columns.clone())))
    }
}
