//! The loss as a metric.

use std::sync::Arc;

use burn::tensor::TensorReadError;
use burn::train::metric::store::Split;
use burn::train::metric::{
    Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes, NumericEntry,
    SerializedEntry,
};

use crate::train::mean::Mean;
use crate::train::monitor::Monitor;
use crate::train::step_output::BatchLoss;

/// Mean loss per picture; tells the monitor of an epoch's, and of the first that is not finite.
#[derive(Clone)]
pub(crate) struct Loss {
    mean: Mean,
    split: Split,
    /// As many losses has a step of the training.
    devices: usize,
    monitor: Arc<Monitor>,
}

impl Loss {
    pub(crate) fn new(split: Split, devices: usize, monitor: Arc<Monitor>) -> Self {
        Self {
            mean: Mean::new("Loss", 1.0),
            split,
            devices,
            monitor,
        }
    }
}

impl Metric for Loss {
    type Input = BatchLoss;

    fn update(
        &mut self,
        batch: &BatchLoss,
        metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        let loss = batch.loss.clone().try_into_scalar::<f64>()?;
        if !loss.is_finite() {
            let rate = metadata.lr.as_ref().map(|rate| rate.base());
            let losses = metadata.iteration.unwrap_or(0);
            let step = match self.split {
                Split::Train => losses.div_ceil(self.devices),
                _ => losses,
            };
            self.monitor.not_finite(&self.split, loss, step, rate);
        }
        Ok(self.mean.add(loss * batch.pictures as f64, batch.pictures))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        self.monitor.loss(&self.split, self.mean.value());
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
            unit: None,
            higher_is_better: false,
        }
        .into()
    }
}

impl Numeric for Loss {
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
