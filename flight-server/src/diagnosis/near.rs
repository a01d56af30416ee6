//! Names that somebody may have meant.

/// More suggestions than this help nobody.
const MOST: usize = 4;
/// A shorter word in common says nothing.
const SHORTEST_WORD: usize = 3;

/// The known names that are nearest to `name`: those with the fewest typing errors; where there
/// are too many errors, those that begin like it or share a word with it (`cdr3`, `cdr3_aa`).
pub fn near<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = plain(name);
    let last_part = |name: &str| name.rsplit('.').next().unwrap_or_default().to_string();
    let mut misspelt = Vec::new();
    let mut related = Vec::new();
    for candidate in known.into_iter().filter(|candidate| *candidate != name) {
        let text = plain(candidate);
        // `system.chains` may have been meant as `chains`.
        let errors = typing_errors(&wanted, &text)
            .min(typing_errors(&last_part(&wanted), &last_part(&text)));
        if errors <= allowed(wanted.chars().count()) {
            misspelt.push((errors, candidate));
        } else if is_related(&wanted, &text) {
            related.push(candidate);
        }
    }
    let least = misspelt.iter().map(|(errors, _)| *errors).min();
    let mut found: Vec<&str> = match least {
        Some(least) => misspelt
            .into_iter()
            .filter(|(errors, _)| *errors == least)
            .map(|(_, candidate)| candidate)
            .collect(),
        None => related,
    };
    let mut seen = std::collections::HashSet::new();
    found.retain(|candidate| seen.insert(*candidate));
    found.truncate(MOST);
    found
}

/// `did you mean a, b or c?`
pub fn suggestion(names: &[&str]) -> Option<String> {
    let (last, others) = names.split_last()?;
    Some(match others {
        [] => format!("did you mean {last}?"),
        others => format!("did you mean {} or {last}?", others.join(", ")),
    })
}

fn plain(name: &str) -> String {
    name.replace('"', "").to_lowercase()
}

/// Typing errors that a name of so many letters may have.
fn allowed(letters: usize) -> usize {
    match letters {
        0..=2 => 0,
        3..=5 => 1,
        6..=8 => 2,
        _ => 3,
    }
}

fn is_related(name: &str, candidate: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric())
            .filter(|word| word.len() >= SHORTEST_WORD)
            .map(str::to_string)
            .collect()
    };
    let shares_word = || {
        let theirs = words(candidate);
        words(name).iter().any(|word| theirs.contains(word))
    };
    (name.len() >= SHORTEST_WORD && candidate.starts_with(name)) || shares_word()
}

/// Letters to insert, delete, replace or swap with their neighbour to get from `a` to `b`
/// (optimal string alignment).
fn typing_errors(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if swapped {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [&str; 6] = [
        "v_gene",
        "j_gene",
        "v_call",
        "cdr3_aa",
        "chain",
        "\"Sequence\"",
    ];

    #[test]
    fn the_fewest_typing_errors_win() {
        assert_eq!(near("v_gen", COLUMNS), ["v_gene"]);
        assert_eq!(near("vgene", COLUMNS), ["v_gene"]);
        assert_eq!(near("cahin", COLUMNS), ["chain"]);
        assert_eq!(near("sequence", COLUMNS), ["\"Sequence\""]);
        let functions = ["ab_cdr1", "ab_cdr2", "ab_cdr3", "ab_chain"];
        assert_eq!(
            near("ab_cdr4", functions),
            ["ab_cdr1", "ab_cdr2", "ab_cdr3"]
        );
    }

    #[test]
    fn names_with_a_word_in_common_are_the_second_choice() {
        assert_eq!(near("cdr3", COLUMNS), ["cdr3_aa"]);
        assert_eq!(near("antibody_cdr3", ["ab_cdr3", "ab_cdr1"]), ["ab_cdr3"]);
    }

    #[test]
    fn the_wrong_schema_does_not_hide_the_right_table() {
        let tables = ["chains", "system.files"];
        assert_eq!(near("system.chains", tables), ["chains"]);
        assert_eq!(near("files", tables), ["system.files"]);
    }

    #[test]
    fn what_is_far_from_everything_suggests_nothing() {
        assert!(near("x", COLUMNS).is_empty());
        assert!(near("temperature", COLUMNS).is_empty());
        assert_eq!(suggestion(&[]), None);
    }

    #[test]
    fn a_suggestion_names_all_of_them() {
        assert_eq!(suggestion(&["a"]), Some("did you mean a?".into()));
        assert_eq!(
            suggestion(&["a", "b", "c"]),
            Some("did you mean a, b or c?".into())
        );
    }
}
