//! A file per rule.

mod backends;
mod catalogues;
mod circles;
mod directions;
mod examples;
mod forbidden;
mod lengths;
mod module_docs;
mod parents;

/// Fails with every problem on a line of its own, after what to do about them.
fn assert_none(advice: &str, problems: Vec<String>) {
    assert!(
        problems.is_empty(),
        "{advice}\n  {}\n",
        problems.join("\n  ")
    );
}
