//! The names that a pickle may speak of.

use super::value::Global;
use crate::dtype::Dtype;

/// Classes of which things are carried along unread, beside the weights: what trainings put into their checkpoints.
///
/// Nothing of Python's that calls, imports, opens or evaluates is among them.
const PLAIN: [(&str, &str); 30] = [
    ("argparse", "Namespace"),
    ("types", "SimpleNamespace"),
    ("collections", "Counter"),
    ("_codecs", "encode"),
    ("builtins", "set"),
    ("builtins", "frozenset"),
    ("builtins", "bytearray"),
    ("builtins", "complex"),
    ("builtins", "int"),
    ("builtins", "float"),
    ("builtins", "str"),
    ("builtins", "bool"),
    ("pathlib", "PosixPath"),
    ("pathlib", "PurePosixPath"),
    ("pathlib", "WindowsPath"),
    ("pathlib", "PureWindowsPath"),
    ("datetime", "datetime"),
    ("datetime", "timedelta"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy", "float64"),
    ("numpy", "int64"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("torch", "device"),
    ("torch", "Tensor"),
    ("torch._tensor", "Tensor"),
    ("torch.nn.parameter", "Parameter"),
];

/// What a name stands for, if it is one of the list.
pub(super) fn find(module: &str, name: &str) -> Option<Global> {
    // Python 2's name of the module, which protocols up to 2 write.
    let module = if module == "__builtin__" { "builtins" } else { module };
    let found = match (module, name) {
        ("collections", "OrderedDict" | "defaultdict") | ("builtins", "dict") => Some(Global::Dict),
        ("builtins", "list" | "tuple") | ("torch", "Size") => Some(Global::Sequence),
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Some(Global::Tensor),
        ("torch._utils", "_rebuild_tensor_v3") => Some(Global::TypedTensor),
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Some(Global::Parameter),
        ("torch._tensor", "_rebuild_from_type_v2") => Some(Global::OfType),
        ("torch" | "torch.storage" | "torch.cuda", name) => {
            Dtype::from_storage(name).map(Global::Storage).or_else(|| Dtype::from_torch(name).map(Global::Dtype))
        }
        _ => None,
    };
    found.or_else(|| PLAIN.iter().find(|plain| **plain == (module, name)).map(|(_, name)| Global::Opaque(name)))
}
