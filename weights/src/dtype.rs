//! Kinds of numbers in files.

use std::fmt;

use half::{bf16, f16};

/// What a tensor's numbers are in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dtype {
    /// 64 bits; rounded to 32 where a network reads it.
    F64,
    /// 32 bits, what networks hold.
    F32,
    /// 16 bits, IEEE's half.
    F16,
    /// 16 bits, the upper half of an `F32`.
    BF16,
    /// Counts and indices, truth values, quantised and complex numbers: no network here has them.
    Other {
        /// As safetensors or PyTorch call it.
        name: &'static str,
        /// Of one number.
        bytes: usize,
    },
}

/// A kind by safetensors' name, by PyTorch's storage, and by PyTorch's dtype; nothing where one has it not.
type Row = (Dtype, &'static str, &'static str, &'static str);

const fn other(name: &'static str, bytes: usize) -> Dtype {
    Dtype::Other { name, bytes }
}

const ROWS: [Row; 22] = [
    (Dtype::F64, "F64", "DoubleStorage", "float64"),
    (Dtype::F32, "F32", "FloatStorage", "float32"),
    (Dtype::F16, "F16", "HalfStorage", "float16"),
    (Dtype::BF16, "BF16", "BFloat16Storage", "bfloat16"),
    (other("I64", 8), "I64", "LongStorage", "int64"),
    (other("I32", 4), "I32", "IntStorage", "int32"),
    (other("I16", 2), "I16", "ShortStorage", "int16"),
    (other("I8", 1), "I8", "CharStorage", "int8"),
    (other("U8", 1), "U8", "ByteStorage", "uint8"),
    (other("BOOL", 1), "BOOL", "BoolStorage", "bool"),
    (other("U64", 8), "U64", "", "uint64"),
    (other("U32", 4), "U32", "", "uint32"),
    (other("U16", 2), "U16", "", "uint16"),
    (other("F8_E4M3", 1), "F8_E4M3", "", "float8_e4m3fn"),
    (other("F8_E5M2", 1), "F8_E5M2", "", "float8_e5m2"),
    (other("F8_E8M0", 1), "F8_E8M0", "", "float8_e8m0fnu"),
    (other("C64", 8), "C64", "ComplexFloatStorage", "complex64"),
    (other("complex128", 16), "", "ComplexDoubleStorage", "complex128"),
    (other("qint8", 1), "", "QInt8Storage", "qint8"),
    (other("quint8", 1), "", "QUInt8Storage", "quint8"),
    (other("qint32", 4), "", "QInt32Storage", "qint32"),
    // Bytes of which a tensor that names its own kind makes something.
    (other("U8", 1), "", "UntypedStorage", ""),
];

impl Dtype {
    /// Bytes of one number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Other { bytes, .. } => bytes,
        }
    }

    /// Whether a network can take the numbers.
    pub fn is_float(self) -> bool {
        !matches!(self, Self::Other { .. })
    }

    pub(crate) fn from_safetensors(name: &str) -> Option<Self> {
        find(name, |row| row.1)
    }

    /// Whether safetensors know it.
    pub(crate) fn is_in_safetensors(self) -> bool {
        ROWS.iter().any(|row| row.0 == self && !row.1.is_empty())
    }

    pub(crate) fn from_storage(name: &str) -> Option<Self> {
        find(name, |row| row.2)
    }

    pub(crate) fn from_torch(name: &str) -> Option<Self> {
        find(name, |row| row.3)
    }

    /// Little-endian bytes as `f32`, behind those that are there; nothing of kinds that are none.
    pub(crate) fn decode(self, bytes: &[u8], values: &mut Vec<f32>) {
        match self {
            Self::F64 => extend(bytes, values, |b| f64::from_le_bytes(b) as f32),
            Self::F32 => extend(bytes, values, f32::from_le_bytes),
            Self::F16 => extend(bytes, values, |b| f16::from_le_bytes(b).to_f32()),
            Self::BF16 => extend(bytes, values, |b| bf16::from_le_bytes(b).to_f32()),
            Self::Other { .. } => {}
        }
    }
}

fn find(name: &str, column: impl Fn(&Row) -> &'static str) -> Option<Dtype> {
    ROWS.iter().find(|row| !name.is_empty() && column(row) == name).map(|row| row.0)
}

fn extend<const N: usize>(bytes: &[u8], values: &mut Vec<f32>, number: impl Fn([u8; N]) -> f32) {
    values.extend(bytes.as_chunks::<N>().0.iter().map(|&bytes| number(bytes)));
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::Other { name, .. } => name,
        })
    }
}
