//! What AdamW remembers of one parameter.

use burn::optim::{
    AdamWState as Record, AdaptiveMomentumState, RecordState, StateSink, StateSource, join_path,
};
use burn::tensor::{Device, Tensor, TensorData};

/// Running means and the number of steps, in Burn's record of AdamW.
///
/// Burn reads an optimizer's record onto its default device, which in a build with a GPU's backend is that GPU, wherever
/// the parameters are. So what is read stays on the host until a step says where it belongs.
#[derive(Clone)]
pub enum AdamWMoments<const D: usize> {
    /// Where the parameter is.
    Placed(Box<AdaptiveMomentumState<D>>),
    /// As read from a record.
    Read {
        /// Steps so far.
        time: usize,
        /// The means of gradients and of their squares.
        moments: Box<[TensorData; 2]>,
    },
}

impl<const D: usize> AdamWMoments<D> {
    /// On `device`.
    pub(super) fn on(self, device: &Device) -> AdaptiveMomentumState<D> {
        match self {
            Self::Placed(state) => state.to_device(device),
            Self::Read { time, moments } => {
                // Moments have no gradients.
                let device = device.clone().without_autodiff();
                let [first, second] = (*moments).map(|data| {
                    let dtype = data.dtype();
                    Tensor::from_data(data, (&device, dtype))
                });
                AdaptiveMomentumState::new(time, first, second)
            }
        }
    }
}

impl<const D: usize> RecordState for AdamWMoments<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        match self {
            Self::Placed(state) => Record::new((**state).clone()).state_flatten(prefix, out),
            Self::Read { time, moments } => {
                let [first, second] = &**moments;
                let prefix = join_path(prefix, "momentum");
                out.push_scalar(&prefix, "time", (*time).into());
                out.push_tensor(&prefix, "moment_1", first.clone());
                out.push_tensor(&prefix, "moment_2", second.clone());
            }
        }
    }

    fn state_unflatten(prefix: &str, source: &mut StateSource, _: &Device) -> Option<Self> {
        let prefix = join_path(prefix, "momentum");
        let time = source.take_scalar(&prefix, "time")?.try_into().ok()?;
        let mut moment = |name| source.take_tensor(&prefix, name);
        let moments = Box::new([moment("moment_1")?, moment("moment_2")?]);
        Some(Self::Read { time, moments })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::DType;

    fn flat(state: &impl RecordState) -> StateSink {
        let mut sink = StateSink::default();
        state.state_flatten("p", &mut sink);
        sink
    }

    #[test]
    fn what_is_read_is_on_no_device_and_is_written_as_it_was() {
        let device = Device::flex();
        let moment = |value: f32| Tensor::<2>::full([2, 3], value, &device);
        let state = AdaptiveMomentumState::new(7, moment(0.25), moment(0.5));
        let written = flat(&AdamWMoments::Placed(Box::new(state)));
        let mut source = StateSource::new(written.scalars.iter().cloned().collect());
        for (name, data) in written.tensors.clone() {
            source.insert_tensor(name, data);
        }
        let read = AdamWMoments::<2>::state_unflatten("p", &mut source, &device).unwrap();
        assert!(matches!(read, AdamWMoments::Read { time: 7, .. }));
        let again = flat(&read);
        assert_eq!(again.tensors, written.tensors);
        assert_eq!(again.scalars, written.scalars);
        let placed = read.on(&device);
        assert_eq!((placed.time, placed.moment_2.device()), (7, device));
    }

    #[test]
    fn halves_that_are_read_stay_halves() {
        let device = Device::flex();
        let half = Tensor::<1>::ones([3], (&device, DType::BF16)).into_data();
        let moments = Box::new([half.clone(), half]);
        let placed = AdamWMoments::<1>::Read { time: 1, moments }.on(&device);
        let types = [placed.moment_1, placed.moment_2].map(|moment| moment.dtype());
        assert_eq!(types, [DType::BF16; 2]);
    }
}
