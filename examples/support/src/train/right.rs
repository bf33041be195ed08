//! The accuracy as a metric.

use std::sync::Arc;

use burn::tensor::TensorReadError;
use burn::train::metric::store::Split;
use burn::train::metric::{
    Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes, NumericEntry,
    SerializedEntry,
};

use crate::train::mean::Mean;
use crate::train::monitor::Monitor;
use crate::train::step_output::BatchRight;

/// Share of the pictures that were named rightly; tells the monitor of an epoch's.
#[derive(Clone)]
pub(crate) struct Right {
    mean: Mean,
    split: Split,
    monitor: Arc<Monitor>,
}

impl Right {
    pub(crate) fn new(split: Split, monitor: Arc<Monitor>) -> Self {
        Self {
            mean: Mean::new("Accuracy", 100.0),
            split,
            monitor,
        }
    }
}

impl Metric for Right {
    type Input = BatchRight;

    fn update(
        &mut self,
        batch: &BatchRight,
        _: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        let right = match &batch.right {
            Some(right) => right.clone().try_into_scalar::<i64>()?,
            None => 0,
        };
        Ok(self.mean.add(right as f64, batch.pictures))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        self.monitor.accuracy(&self.split, self.mean.value());
        Ok(self.mean.finish())
    }

    fn clear(&mut self) {
        self.mean.clear();
    }

    fn name(&self) -> MetricName {
        self.mean.name()
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes {
            unit: Some("%".to_owned()),
            higher_is_better: true,
        }
        .into()
    }
}

impl Numeric for Right {
    fn value(&self) -> Option<NumericEntry> {
        Some(self.mean.of_batch())
    }

    fn running_value(&self) -> Option<NumericEntry> {
        Some(self.mean.running())
    }

    fn final_value(&self) -> NumericEntry {
        self.mean.last()
    }
}
