//! Which queues a grant means: compiled once from its names, looked up at every call.

use std::{collections::HashSet, sync::Arc};

use crate::types::QueueName;

/// A set of queues, from the names in a grant: `jobs` is that queue, `jobs:*` is every queue whose name begins
/// with `jobs:`. Any other `*` is a letter like all others, as MeshAgent has it; names are compared byte for byte.
///
/// A queue whose own name ends in `:*` can be granted only together with what begins like it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// None of these begins with one of `prefixes`.
    exact: HashSet<QueueName>,
    /// Sorted, and none begins with another: so the one that a name begins with, if there is one, is the last
    /// that is not after the name, and sets that mean the same are equal.
    prefixes: Vec<Arc<str>>,
}

impl Names {
    /// Every queue.
    #[must_use]
    pub fn all() -> Self {
        Self { exact: HashSet::new(), prefixes: vec![Arc::from("")] }
    }

    /// No queue.
    #[must_use]
    pub fn none() -> Self {
        Self { exact: HashSet::new(), prefixes: Vec::new() }
    }

    /// The queues that these names mean. A text that is no legal name, or the beginning of one, is passed over:
    /// it can match no queue.
    #[must_use]
    pub fn of(names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut exact = HashSet::new();
        let mut prefixes: Vec<Arc<str>> = Vec::new();
        for name in names {
            let name = name.as_ref();
            match name.strip_suffix('*').filter(|prefix| prefix.ends_with(':')) {
                None => exact.extend(name.parse::<QueueName>()),
                // What begins a legal name is a legal name.
                Some(prefix) if prefix.parse::<QueueName>().is_ok() => prefixes.push(prefix.into()),
                Some(_) => {}
            }
        }
        prefixes.sort();
        prefixes.dedup_by(|later, kept| later.starts_with(&**kept));
        let mut names = Self { exact: HashSet::new(), prefixes };
        exact.retain(|name| !names.contains(name));
        names.exact = exact;
        names
    }

    /// Whether it is every queue there can be.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.prefixes.first().is_some_and(|prefix| prefix.is_empty())
    }

    /// Whether `queue` is one of them.
    #[must_use]
    pub fn contains(&self, queue: &QueueName) -> bool {
        let name = queue.as_str();
        let not_after = self.prefixes.partition_point(|prefix| &**prefix <= name);
        let nearest = not_after.checked_sub(1).and_then(|at| self.prefixes.get(at));
        nearest.is_some_and(|prefix| name.starts_with(&**prefix)) || self.exact.contains(queue)
    }

    /// The names as a grant has them, in order, and none that another one stands for; not for every queue, which
    /// no list of names means.
    #[must_use]
    pub fn written(&self) -> Vec<String> {
        let exact = self.exact.iter().map(ToString::to_string);
        let prefixes = self.prefixes.iter().map(|prefix| format!("{prefix}*"));
        let mut names: Vec<_> = exact.chain(prefixes).collect();
        names.sort();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_colon_and_a_star_stand_for_all_that_begin_so() {
        let long = "x".repeat(255);
        let (longest, too_long) = (format!("{}:*", &long[1..]), format!("{long}:*"));
        for (names, inside, outside) in [
            (&[][..], &[][..], &["a", "*"][..]),
            (&["a", "b"], &["a", "b"], &["A", "ab", "a ", "c", "*"]),
            (&["jobs:*"], &["jobs:", "jobs:1", "jobs:*"], &["jobs", "job", "Jobs:1", "jobs;"]),
            (&["*"], &["*"], &["a", "é"]),
            (&["a*"], &["a*"], &["a", "ab"]),
            (&[":*"], &[":", ":a"], &["a", "*"]),
            (&["a:*b"], &["a:*b"], &["a:b", "a:xb", "a:*"]),
            (&["*:*"], &["*:", "*:a"], &["a:", "b"]),
            (
                &["a:b:*", "a", "a:b:c", "x:*"],
                &["a", "a:b:", "a:b:d", "x:y"],
                &["a:c", "b", "w", "y:"],
            ),
            (&["é:*"], &["é:", "é:a"], &["é", "e:", "e\u{301}:"]),
            (&["", "a\n", "a\n:*"], &[], &["a", " ", ":"]),
            (&[&longest], &[&longest[..255]], &["x", &long]),
            (&[&too_long], &[], &[&long]),
        ] {
            let set = Names::of(names);
            for name in inside {
                assert!(set.contains(&name.parse().unwrap()), "{names:?} has {name}");
            }
            for name in outside {
                assert!(!set.contains(&name.parse().unwrap()), "{names:?} has not {name}");
            }
        }
    }

    #[test]
    fn sets_that_mean_the_same_are_equal_and_written_shortly() {
        for (names, written) in [
            (&["b", "a", "b"][..], &["a", "b"][..]),
            (&["a:*", "a:b", "a:b:*", "a", "b"], &["a", "a:*", "b"]),
            (&["*", "b*"], &["*", "b*"]),
            (&[], &[]),
        ] {
            let set = Names::of(names);
            assert_eq!(set.written(), written);
            assert_eq!(set, Names::of(written));
            assert!(!set.is_all());
        }
        assert!(Names::all().is_all());
        assert_eq!(Names::of([""; 0]), Names::none());
    }

    proptest! {
        /// The same as looking at every name of the grant.
        #[test]
        fn the_compiled_set_is_what_the_names_say(
            names in proptest::collection::vec("[ab:]{0,4}\\*?", 0..8),
            queue in "[ab:*]{1,5}",
        ) {
            let means = |name: &String| match name.strip_suffix(":*") {
                Some(prefix) => queue.starts_with(&format!("{prefix}:")),
                None => *name == queue,
            };
            let set = Names::of(&names);
            prop_assert_eq!(set.contains(&queue.parse().unwrap()), names.iter().any(means));
            prop_assert_eq!(Names::of(set.written()), set);
        }
    }
}
