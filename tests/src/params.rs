//! Parameters by path.

use std::collections::HashMap;

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Gradients, Tensor, TensorData};

use crate::det::det_tensor;

/// Whether the value called `name` is one that a batch norm counts itself: no parameter, no gradient.
pub fn is_running(name: &str) -> bool {
    matches!(name, "running_mean" | "running_var")
}

/// Turns off what only happens in training, such as a batch's own statistics, on autodiff devices too.
pub fn inference<M: Module>(module: M) -> M {
    struct Inference;
    impl ModuleMapper for Inference {
        fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
            flag.with_value(false)
        }
    }
    module.map(&mut Inference)
}

/// Gives the k-th float parameter the values `det(seed + k)`; running statistics stay.
pub fn fill<M: Module>(module: M, seed: u64) -> M {
    #[derive(Default)]
    struct Fill {
        seed: u64,
        name: String,
    }
    impl ModuleMapper for Fill {
        fn enter_module(&mut self, name: &str, _: &str) {
            name.clone_into(&mut self.name);
        }

        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if is_running(&self.name) {
                return param;
            }
            let seed = self.seed;
            self.seed += 1;
            param.map(|value| {
                let new = det_tensor(value.dims(), seed, &value.device(), value.dtype());
                new.set_require_grad(value.is_require_grad())
            })
        }
    }
    module.map(&mut Fill {
        seed,
        ..Fill::default()
    })
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

/// Gradient of each float parameter by path, running statistics left out; none where the tape did not reach it.
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
            if self.path.last().is_some_and(|name| is_running(name)) {
                return;
            }
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
