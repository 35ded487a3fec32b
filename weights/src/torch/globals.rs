//! The names that a pickle may ask for, and what stands in their place here.

use super::TorchError;
use crate::tensors::Dtype;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    /// A dictionary.
    Dict,
    /// `(storage, offset, size, stride, …)`
    Tensor,
    /// `(storage, offset, size, stride, requires_grad, hooks, dtype, …)`
    TypedTensor,
    /// `(tensor, …)`
    Parameter,
    /// `(function, type, arguments, state)`
    FromType,
    /// `(sizes)`
    Size,
    /// A kind of storage; none for bytes of any.
    Storage(Option<Dtype>),
    /// A kind of number.
    Dtype(Dtype),
    /// Something nobody looks at.
    Inert,
}

/// Values that checkpoints carry beside their tensors: nothing is built in their place.
const INERT: [(&str, &str); 26] = [
    ("argparse", "Namespace"),
    ("types", "SimpleNamespace"),
    ("collections", "Counter"),
    ("collections", "defaultdict"),
    ("datetime", "datetime"),
    ("pathlib", "PosixPath"),
    ("pathlib", "WindowsPath"),
    ("_codecs", "encode"),
    ("builtins", "set"),
    ("builtins", "frozenset"),
    ("builtins", "slice"),
    ("builtins", "complex"),
    ("builtins", "list"),
    ("builtins", "dict"),
    ("__builtin__", "set"),
    ("__builtin__", "list"),
    ("__builtin__", "dict"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("torch", "device"),
    ("torch", "Tensor"),
    ("torch.nn.parameter", "Parameter"),
];

const STORAGES: [(&str, Dtype); 10] = [
    ("FloatStorage", Dtype::F32),
    ("DoubleStorage", Dtype::F64),
    ("HalfStorage", Dtype::F16),
    ("BFloat16Storage", Dtype::Bf16),
    ("LongStorage", Dtype::Other("int64", 8)),
    ("IntStorage", Dtype::Other("int32", 4)),
    ("ShortStorage", Dtype::Other("int16", 2)),
    ("CharStorage", Dtype::Other("int8", 1)),
    ("ByteStorage", Dtype::Other("uint8", 1)),
    ("BoolStorage", Dtype::Other("bool", 1)),
];

const DTYPES: [(&str, Dtype); 9] = [
    ("float32", Dtype::F32),
    ("float64", Dtype::F64),
    ("float16", Dtype::F16),
    ("bfloat16", Dtype::Bf16),
    ("int64", Dtype::Other("int64", 8)),
    ("uint64", Dtype::Other("uint64", 8)),
    ("uint32", Dtype::Other("uint32", 4)),
    ("uint16", Dtype::Other("uint16", 2)),
    ("uint8", Dtype::Other("uint8", 1)),
];

/// # Errors
/// [`TorchError::Refused`] for every name that is not known to be harmless.
pub(super) fn global(module: &str, name: &str) -> Result<Global, TorchError> {
    let refused = || TorchError::Refused(format!("{module}.{name}"));
    let listed = |list: &[(&str, Dtype)]| list.iter().find(|(known, _)| *known == name).map(|(_, dtype)| *dtype);
    Ok(match (module, name) {
        ("collections", "OrderedDict") => Global::Dict,
        ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Global::Tensor,
        ("torch._utils", "_rebuild_tensor_v3") => Global::TypedTensor,
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Global::Parameter,
        ("torch._tensor", "_rebuild_from_type_v2") => Global::FromType,
        ("torch", "Size") => Global::Size,
        ("torch.storage" | "torch", "UntypedStorage") | ("torch.storage", "TypedStorage") => Global::Storage(None),
        ("torch" | "torch.cuda", _) if listed(&STORAGES).is_some() => Global::Storage(listed(&STORAGES)),
        ("torch", _) => match listed(&DTYPES) {
            Some(dtype) => Global::Dtype(dtype),
            None if INERT.contains(&(module, name)) => Global::Inert,
            None => return Err(refused()),
        },
        known if INERT.contains(&known) => Global::Inert,
        _ => return Err(refused()),
    })
}
