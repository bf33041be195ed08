//! What an import did with each stored tensor.

use std::fmt;

use crate::import::dialect::Dialect;
use crate::import::plan::{Op, Plan};

/// What an import did with each stored tensor and each parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The dialect of the names.
    pub dialect: Dialect,
    /// Stored tensors that became parameters.
    pub applied: Vec<String>,
    /// Those of them that were resized: tables for another grid, kernels for other patches or channels.
    pub resized: Vec<String>,
    /// Parameters that no stored tensor gave.
    pub missing: Vec<String>,
    /// Stored tensors that nothing used.
    pub unused: Vec<String>,
    /// Stored tensors that follow from the configuration.
    pub derived: Vec<String>,
    /// Stored tensors of another tower.
    pub elsewhere: Vec<String>,
}

impl Report {
    pub(crate) fn new(dialect: Dialect, plan: &Plan) -> Self {
        let sources = |resized: bool| {
            let steps = plan.steps.iter().filter(move |step| {
                !resized || matches!(step.op, Op::Resize { .. } | Op::Adapt { .. })
            });
            let mut names: Vec<String> = steps
                .flat_map(|step| step.sources.iter().cloned())
                .collect();
            names.sort_unstable();
            names.dedup();
            names
        };
        Self {
            dialect,
            applied: sources(false),
            resized: sources(true),
            missing: plan.missing.clone(),
            unused: plan.unused.clone(),
            derived: plan.derived.clone(),
            elsewhere: plan.elsewhere.clone(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} tensors applied",
            self.dialect.name(),
            self.applied.len()
        )?;
        for (what, names) in [
            ("resized", &self.resized),
            ("missing", &self.missing),
            ("unused", &self.unused),
            ("derived", &self.derived),
            ("of another tower", &self.elsewhere),
        ] {
            if !names.is_empty() {
                write!(f, "; {what}: {}", names.join(", "))?;
            }
        }
        Ok(())
    }
}
