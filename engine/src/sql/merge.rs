//! `MERGE INTO t USING s ON … WHEN …`.
//!
//! One join of source and target gives each row that some clause concerns: what becomes of it and
//! its new values. The first clause whose condition is true counts; a row of the target that
//! several rows of the source would change is an error, as the standard has it.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Merge, MergeAction, MergeClause, MergeClauseKind, MergeInsertExpr,
    MergeInsertKind, MergeUpdateExpr, ObjectName, ObjectNamePart, Query, TableAlias, TableFactor,
    VisitMut as _, VisitorMut,
};
use deltalake::protocol::{DeltaOperation, MergePredicate};

use super::Scope;
use super::resolve::unsupported;
use super::rewrite::{ACTION, DELETE, INSERT, RowChanges, UPDATE};
use super::target::{ADDRESSED, Target, normal};
use super::template::{Parts, quoted};
use super::update::{assigned, plainer};
use crate::error::{Error, Result};
use crate::session::Session;
use crate::tables::{FILE, ROW};

/// TRUE in rows that come from the source.
const FROM_SOURCE: &str = "__paratope_source";

/// Plans to merge the source into the table.
pub async fn merge(session: &Session, statement: &Merge) -> Result<RowChanges> {
    let Merge {
        merge_token: _,
        optimizer_hints,
        into: _,
        table,
        source,
        on,
        clauses,
        output,
    } = statement;
    for (given, clause) in [
        (!optimizer_hints.is_empty(), "an optimizer hint"),
        (output.is_some(), "MERGE … OUTPUT, RETURNING"),
        (clauses.is_empty(), "MERGE without WHEN"),
    ] {
        if given {
            return Err(unsupported(clause));
        }
    }
    let scope = Scope::new(session).await?;
    let target = Target::of_factor(session, &scope, table).await?;
    target.pin_addressed(&scope)?;
    let source = Source::of(&scope, source).await?;
    if normal(&source.alias) == normal(&target.alias) {
        return Err(Error::Invalid(format!(
            "source and target are both called {}; give one of them an alias",
            normal(&target.alias)
        )));
    }
    let mut parts = Parts::default();
    let clauses = clauses
        .iter()
        .map(|clause| Clause::of(clause, &target, &source, &mut parts))
        .collect::<Result<Vec<_>>>()?;
    let plan = plan(&scope, &target, source, on, &clauses, parts).await?;
    refuse_volatile(&plan)?;
    Ok(RowChanges {
        scope,
        target,
        plan,
        operation: operation(statement),
        transactions: Vec::new(),
    })
}

/// The rows that are merged.
struct Source {
    factor: TableFactor,
    alias: Ident,
    columns: Vec<String>,
}

impl Source {
    async fn of(scope: &Scope, factor: &TableFactor) -> Result<Self> {
        let alias = match factor {
            TableFactor::Table {
                alias: Some(TableAlias { name, columns, .. }),
                ..
            }
            | TableFactor::Derived {
                alias: Some(TableAlias { name, columns, .. }),
                ..
            } => {
                if !columns.is_empty() && matches!(factor, TableFactor::Table { .. }) {
                    return Err(unsupported("MERGE … USING t AS s (columns)"));
                }
                name.clone()
            }
            TableFactor::Table {
                name, alias: None, ..
            } => match name.0.last() {
                Some(ObjectNamePart::Identifier(last)) => last.clone(),
                _ => return Err(Error::Invalid(format!("{name} is not the name of a table"))),
            },
            _ => {
                return Err(Error::Invalid(
                    "the source of MERGE needs a name: USING (SELECT …) AS s".into(),
                ));
            }
        };
        let mut parts = Parts::default();
        let gap = parts.table(factor.clone());
        let plan = scope
            .plan_ast(parts.fill(&format!("SELECT * FROM {gap}"))?)
            .await?;
        let columns = plan
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone());
        Ok(Self {
            factor: factor.clone(),
            columns: columns.collect(),
            alias,
        })
    }
}

/// A WHEN clause with its expressions in the gaps of the query.
struct Clause {
    kind: MergeClauseKind,
    condition: String,
    action: i64,
    /// Gap by column; columns that are not there keep their value, or are NULL in a new row.
    values: HashMap<String, String>,
}

impl Clause {
    fn of(
        clause: &MergeClause,
        target: &Target,
        source: &Source,
        parts: &mut Parts,
    ) -> Result<Self> {
        let kind = match clause.clause_kind {
            MergeClauseKind::NotMatchedByTarget => MergeClauseKind::NotMatched,
            kind => kind,
        };
        let mut condition = clause.predicate.clone();
        let (action, values) = match (&clause.action, kind) {
            (MergeAction::Insert(insert), MergeClauseKind::NotMatched) => {
                let values = inserted(insert, target, source)?;
                condition = condition
                    .map(|condition| of_source(condition, target, source))
                    .transpose()?;
                (INSERT, values)
            }
            (
                MergeAction::Delete { .. },
                MergeClauseKind::Matched | MergeClauseKind::NotMatchedBySource,
            ) => (DELETE, HashMap::new()),
            (
                MergeAction::Update(update),
                MergeClauseKind::Matched | MergeClauseKind::NotMatchedBySource,
            ) => {
                let MergeUpdateExpr {
                    update_token: _,
                    assignments,
                    update_predicate,
                    delete_predicate,
                } = update;
                if update_predicate.is_some() || delete_predicate.is_some() {
                    return Err(unsupported(
                        "MERGE … UPDATE … WHERE (use WHEN MATCHED AND …)",
                    ));
                }
                (UPDATE, assigned(target, assignments)?)
            }
            (action, kind) => {
                return Err(Error::Invalid(format!(
                    "WHEN {kind} THEN {action} makes no sense: there is {}",
                    match kind {
                        MergeClauseKind::NotMatched =>
                            "no row of the table to change, only one to INSERT",
                        _ => "a row of the table already: UPDATE or DELETE it",
                    }
                )));
            }
        };
        Ok(Self {
            kind,
            condition: match condition {
                Some(condition) => parts.expression(condition),
                None => "TRUE".into(),
            },
            action,
            values: values
                .into_iter()
                .map(|(column, value)| (column, parts.expression(value)))
                .collect(),
        })
    }
}

/// Values of a new row by column.
fn inserted(
    insert: &MergeInsertExpr,
    target: &Target,
    source: &Source,
) -> Result<HashMap<String, Expr>> {
    let MergeInsertExpr {
        insert_token: _,
        columns,
        kind_token: _,
        kind,
        insert_predicate,
    } = insert;
    if insert_predicate.is_some() {
        return Err(unsupported(
            "MERGE … INSERT … WHERE (use WHEN NOT MATCHED AND …)",
        ));
    }
    let columns: Vec<String> = match columns.is_empty() {
        true => target
            .stored_schema()?
            .fields()
            .iter()
            .map(|f| f.name().clone())
            .collect(),
        false => columns
            .iter()
            .map(|name| target.column(name))
            .collect::<Result<_>>()?,
    };
    let values: Vec<Expr> = match kind {
        MergeInsertKind::Row => columns
            .iter()
            .map(|column| {
                let parts = vec![source.alias.clone(), Ident::with_quote('"', column)];
                Expr::CompoundIdentifier(parts)
            })
            .collect(),
        MergeInsertKind::Values(values) => match values.rows.as_slice() {
            [row] => row
                .content
                .iter()
                .map(|value| of_source(value.clone(), target, source))
                .collect::<Result<_>>()?,
            rows => {
                return Err(Error::Invalid(format!(
                    "MERGE inserts one row for each row of the source, but {} are given",
                    rows.len()
                )));
            }
        },
    };
    if values.len() != columns.len() {
        return Err(Error::Invalid(format!(
            "INSERT names {} columns and gives {} values",
            columns.len(),
            values.len()
        )));
    }
    let given = columns.len();
    let by_column: HashMap<String, Expr> = columns.into_iter().zip(values).collect();
    if by_column.len() != given {
        return Err(Error::Invalid("INSERT names a column twice".into()));
    }
    Ok(by_column)
}

/// The same expression, in which plain names mean the source's columns: where nothing matched, the
/// target has no row to speak of.
fn of_source(mut expression: Expr, target: &Target, source: &Source) -> Result<Expr> {
    let mut qualify = Qualify {
        target,
        source,
        subqueries: 0,
    };
    match expression.visit(&mut qualify) {
        ControlFlow::Continue(()) => Ok(expression),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Qualify<'a> {
    target: &'a Target,
    source: &'a Source,
    subqueries: usize,
}

impl VisitorMut for Qualify<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Error> {
        self.subqueries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Error> {
        self.subqueries -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Error> {
        if self.subqueries > 0 {
            return ControlFlow::Continue(());
        }
        let refused = |name: &Expr| {
            ControlFlow::Break(Error::Invalid(format!(
                "WHEN NOT MATCHED … INSERT can use columns of {} only, not {name}",
                self.source.alias
            )))
        };
        match expression {
            Expr::Identifier(name) if self.source.columns.contains(&normal(name)) => {
                let qualified = vec![self.source.alias.clone(), name.clone()];
                *expression = Expr::CompoundIdentifier(qualified);
            }
            Expr::Identifier(name)
                if self
                    .target
                    .column(&ObjectName::from(vec![name.clone()]))
                    .is_ok() =>
            {
                return refused(expression);
            }
            Expr::CompoundIdentifier(names)
                if names.first().map(normal) == Some(normal(&self.target.alias)) =>
            {
                return refused(expression);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The query that lists the changes.
async fn plan(
    scope: &Scope,
    target: &Target,
    source: Source,
    on: &Expr,
    clauses: &[Clause],
    mut parts: Parts,
) -> Result<LogicalPlan> {
    let (t, s) = (&target.alias, &source.alias);
    let has = |kind| clauses.iter().any(|clause| clause.kind == kind);
    // The source stands on the left: it is the smaller side, which a hash join keeps in memory.
    let join = match (
        has(MergeClauseKind::NotMatched),
        has(MergeClauseKind::NotMatchedBySource),
    ) {
        (false, false) => "JOIN",
        (true, false) => "LEFT JOIN",
        (false, true) => "RIGHT JOIN",
        (true, true) => "FULL JOIN",
    };
    let of_kind = |kind: MergeClauseKind| {
        let arms: String = (0..)
            .zip(clauses)
            .filter(|(_, clause)| clause.kind == kind)
            .map(|(index, clause): (i64, _)| format!(" WHEN {} THEN {index}", clause.condition))
            .collect();
        match arms.is_empty() {
            true => "NULL".to_string(),
            false => format!("CASE{arms} END"),
        }
    };
    let clause = format!(
        "CASE WHEN {s}.{FROM_SOURCE} AND {t}.{FILE} IS NOT NULL THEN {} WHEN {s}.{FROM_SOURCE} THEN {} ELSE {} END",
        of_kind(MergeClauseKind::Matched),
        of_kind(MergeClauseKind::NotMatched),
        of_kind(MergeClauseKind::NotMatchedBySource),
    );
    let pick = |value: &dyn Fn(&Clause) -> String| -> String {
        let arms: String = (0..)
            .zip(clauses)
            .map(|(index, clause): (i64, _)| format!(" WHEN {index} THEN {}", value(clause)))
            .collect();
        format!("CASE {clause}{arms} END")
    };
    let action = pick(&|clause| clause.action.to_string());
    let columns: Vec<String> = target
        .stored_schema()?
        .fields()
        .iter()
        .map(|field| {
            let name = quoted(field.name());
            let value = pick(
                &|clause| match (clause.values.get(field.name()), clause.action) {
                    (Some(gap), _) => gap.clone(),
                    (None, UPDATE) => format!("{t}.{name}"),
                    (None, _) => "NULL".into(),
                },
            );
            format!("{value} AS {name}")
        })
        .collect();
    let on = parts.expression(on.clone());
    let rows = parts.table(source.factor);
    let text = format!(
        "SELECT {t}.{FILE}, {t}.{ROW}, CAST({action} AS BIGINT) AS {ACTION}, {} \
         FROM (SELECT *, TRUE AS {FROM_SOURCE} FROM {rows}) AS {s} \
         {join} main.{ADDRESSED} AS {t} ON {on}",
        columns.join(", ")
    );
    scope.plan_ast(parts.fill(&text)?).await.map_err(plainer)
}

/// A condition that is evaluated once for the action and once for each value must not change.
fn refuse_volatile(plan: &LogicalPlan) -> Result<()> {
    let mut volatile = false;
    if let LogicalPlan::Projection(projection) = plan {
        for expression in &projection.expr {
            expression.apply(|part| {
                if let datafusion::logical_expr::Expr::Case(case) = part
                    && case
                        .expr
                        .as_ref()
                        .is_some_and(|clause| clause.is_volatile())
                {
                    volatile = true;
                    return Ok(TreeNodeRecursion::Stop);
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
    }
    match volatile {
        true => Err(unsupported(
            "a condition of MERGE that is different each time (random(), uuid())",
        )),
        false => Ok(()),
    }
}

fn operation(statement: &Merge) -> DeltaOperation {
    let of_kind = |wanted: fn(MergeClauseKind) -> bool| -> Vec<MergePredicate> {
        statement
            .clauses
            .iter()
            .filter(|clause| wanted(clause.clause_kind))
            .map(|clause| MergePredicate {
                action_type: match clause.action {
                    MergeAction::Insert(_) => "insert",
                    MergeAction::Update(_) => "update",
                    MergeAction::Delete { .. } => "delete",
                }
                .into(),
                predicate: clause.predicate.as_ref().map(ToString::to_string),
            })
            .collect()
    };
    DeltaOperation::Merge {
        predicate: Some(statement.on.to_string()),
        merge_predicate: Some(statement.on.to_string()),
        matched_predicates: of_kind(|kind| kind == MergeClauseKind::Matched),
        not_matched_predicates: of_kind(|kind| {
            matches!(
                kind,
                MergeClauseKind::NotMatched | MergeClauseKind::NotMatchedByTarget
            )
        }),
        not_matched_by_source_predicates: of_kind(|kind| {
            kind == MergeClauseKind::NotMatchedBySource
        }),
    }
}
