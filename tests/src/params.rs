//! Parameters by path.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Gradients, Tensor, TensorData};

use crate::det::det_tensor;

/// Gives the k-th float parameter the values `det(seed + k)`.
pub fn fill<M: Module>(module: M, seed: u64) -> M {
    struct Fill(u64);
    impl ModuleMapper for Fill {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let seed = self.0;
            self.0 += 1;
            param.map(|value| {
                let new = det_tensor(value.dims(), seed, &value.device(), value.dtype());
                new.set_require_grad(value.is_require_grad())
            })
        }
    }
    module.map(&mut Fill(seed))
}

/// Changes the dtype of every float parameter.
pub fn to_dtype<M: Module>(module: M, dtype: DType) -> M {
    struct Cast(DType);
    impl ModuleMapper for Cast {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|value| {
                let new = Tensor::from_data(value.to_data(), (&value.device(), self.0));
                new.set_require_grad(value.is_require_grad())
            })
        }
    }
    module.map(&mut Cast(dtype))
}

/// Gradient of each float parameter by path; none where the tape did not reach it.
pub fn gradients<M: Module>(module: &M, grads: &Gradients) -> Vec<(String, Option<TensorData>)> {
    struct Collect<'a> {
        grads: &'a Gradients,
        path: Vec<String>,
        found: Vec<(String, Option<TensorData>)>,
    }
    impl ModuleVisitor for Collect<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let grad = param.val().grad(self.grads).map(Tensor::into_data);
            self.found.push((self.path.join("."), grad));
        }
    }
    let mut collect = Collect {
        grads,
        path: Vec::new(),
        found: Vec::new(),
    };
    module.visit(&mut collect);
    collect.found
}

/// Sets every float parameter from `values` by path.
///
/// # Panics
///
/// If one is missing, has another shape, or is left over.
pub fn load_named<M: Module>(module: M, mut values: HashMap<String, TensorData>) -> M {
    struct Load<'a> {
        values: &'a mut HashMap<String, TensorData>,
        path: Vec<String>,
    }
    impl ModuleMapper for Load<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }

        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let path = self.path.join(".");
            let data = self
                .values
                .remove(&path)
                .unwrap_or_else(|| panic!("no value for {path}"));
            param.map(|old| {
                let new = Tensor::<D>::from_data(data, &old.device());
                assert_eq!(new.dims(), old.dims(), "{path}");
                new
            })
        }
    }
    let module = module.map(&mut Load {
        values: &mut values,
        path: Vec::new(),
    });
    assert!(values.is_empty(), "left over: {:?}", values.keys());
    module
}
