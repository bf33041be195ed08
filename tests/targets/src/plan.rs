//! From names and shapes to a plan.

use burn_vit::import::{Dialect, Facts, HubConfig, parse_header, plan as planned, understand};

use crate::scratch::split;

/// Understands tensors, described by a header without byte ranges to check, beside a configuration. A plan that is
/// made has each parameter once, from tensors that are there.
pub fn plan(data: &[u8]) {
    let (config, header) = split(data);
    let config = std::str::from_utf8(config).ok().map(HubConfig::parse);
    let config = config.and_then(Result::ok).unwrap_or_default();
    let Some(entries) = end(header).and_then(|length| parse_header(header, length).ok()) else {
        return;
    };
    let names = entries.iter().map(|entry| entry.name.as_str());
    let detected = Dialect::detect(names.clone()).ok();
    for dialect in detected.into_iter().chain(Dialect::ALL.iter().copied()) {
        let caller = Facts::default();
        let Ok(arch) = understand(dialect, entries.iter(), &caller, &config.facts) else {
            continue;
        };
        let Ok(plan) = planned(dialect, &arch, &arch, entries.iter()) else {
            continue;
        };
        let _ = plan.check(&[]);
        for step in &plan.steps {
            let there = |source: &String| names.clone().any(|name| name == source);
            assert!(step.sources.iter().all(there), "{step:?}");
        }
    }
}

/// The largest number after a comma or bracket that ends a byte range: the length that the header itself claims.
fn end(header: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(header).ok()?;
    let ranges = text.split("\"data_offsets\":[").skip(1);
    let ends = ranges.filter_map(|range| {
        range
            .split_once(']')?
            .0
            .split_once(',')?
            .1
            .trim()
            .parse()
            .ok()
    });
    ends.max()
}
