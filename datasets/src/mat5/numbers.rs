//! The ten kinds of numbers of the format: as storage, as classes of matrices, and from one to the other without loss.

use std::fmt;

use super::array::Numeric;

/// The order of the bytes of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endian {
    /// The lowest byte first: what MATLAB writes today.
    Little,
    /// The highest byte first.
    Big,
}

/// A number on its way from one type to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wide {
    /// Any integer of the format.
    Integer(i128),
    /// Any float of the format.
    Float(f64),
}

impl fmt::Display for Wide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
        }
    }
}

/// A type that numbers of a file can be asked for in.
pub trait Number: Copy {
    /// Its name in messages.
    const NAME: &'static str;
    /// The same value in this type; `None` where it has none.
    fn exactly(wide: Wide) -> Option<Self>;
}

/// Integers below this bound, and far more, are exact in `i128`; floats beyond it belong to no integer type of the format.
const INTEGER_BOUND: f64 = 1e30;

impl Wide {
    fn to_integer<T: TryFrom<i128>>(self) -> Option<T> {
        let value = match self {
            Self::Integer(value) => value,
            Self::Float(value) if value.fract() == 0.0 && value.abs() < INTEGER_BOUND => value as i128,
            Self::Float(_) => return None,
        };
        T::try_from(value).ok()
    }

    fn to_f64(self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(value),
            Self::Integer(value) => Some(value as f64).filter(|&float| float as i128 == value),
        }
    }

    fn to_f32(self) -> Option<f32> {
        let value = self.to_f64()?;
        Some(value as f32).filter(|&float| f64::from(float).total_cmp(&value).is_eq() || value.is_nan())
    }
}

/// One row a kind: variant, type, number of the storage, number of the class, MATLAB's name, its way out of [`Wide`].
macro_rules! kinds {
    ($($variant:ident $type:ty, $storage:literal, $class:literal, $name:literal, $wide:ident, $exactly:ident;)*) => {
        /// Numbers as a file stores them, which may be narrower than their matrix's class.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Numbers {
            $(#[doc = concat!("Stored as `", stringify!($type), "`.")] $variant(Vec<$type>),)*
        }

        /// What a matrix of numbers is to MATLAB.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Class {
            /// `logical`: true and false, in the class `uint8`.
            Logical,
            $(#[doc = concat!("`", $name, "`.")] $variant,)*
        }

        impl Numbers {
            /// How many there are.
            pub fn len(&self) -> usize {
                match self { $(Self::$variant(values) => values.len(),)* }
            }

            /// The number at a position, which is below [`Self::len`].
            pub fn get(&self, index: usize) -> Option<Wide> {
                match self { $(Self::$variant(values) => values.get(index).map(|&v| Wide::$wide(v.into())),)* }
            }

            /// Keeps the first `length`.
            pub(super) fn truncate(&mut self, length: usize) {
                match self { $(Self::$variant(values) => values.truncate(length),)* }
            }

            /// The storage type's number in the format.
            pub(super) fn storage(&self) -> u32 {
                match self { $(Self::$variant(_) => $storage,)* }
            }

            /// Numbers of a storage type; `None` where the type is none of numbers, or the bytes are no multiple of its size.
            pub(super) fn read(storage: u32, bytes: &[u8], endian: Endian) -> Option<Self> {
                match storage {
                    $($storage => {
                        let (chunks, rest) = bytes.as_chunks();
                        let value = |chunk: &_| match endian {
                            Endian::Little => <$type>::from_le_bytes(*chunk),
                            Endian::Big => <$type>::from_be_bytes(*chunk),
                        };
                        rest.is_empty().then(|| Self::$variant(chunks.iter().map(value).collect()))
                    })*
                    _ => None,
                }
            }

            /// The bytes of the numbers.
            pub(super) fn bytes(&self, endian: Endian) -> Vec<u8> {
                match (self, endian) {
                    $((Self::$variant(values), Endian::Little) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
                    (Self::$variant(values), Endian::Big) => values.iter().flat_map(|v| v.to_be_bytes()).collect(),)*
                }
            }
        }

        impl Class {
            /// The class's number in the format.
            pub(super) fn code(self) -> u8 {
                match self { Self::Logical => Self::U8.code(), $(Self::$variant => $class,)* }
            }

            pub(super) fn of(code: u8) -> Option<Self> {
                match code { $($class => Some(Self::$variant),)* _ => None }
            }

            /// MATLAB's name.
            pub fn name(self) -> &'static str {
                match self { Self::Logical => "logical", $(Self::$variant => $name,)* }
            }
        }

        $(
            impl Number for $type {
                const NAME: &'static str = $name;
                fn exactly(wide: Wide) -> Option<Self> {
                    wide.$exactly()
                }
            }

            impl From<Vec<$type>> for Numeric {
                fn from(values: Vec<$type>) -> Self {
                    Self { class: Class::$variant, real: Numbers::$variant(values), imaginary: None }
                }
            }
        )*
    };
}

kinds! {
    F64 f64, 9, 6, "double", Float, to_f64;
    F32 f32, 7, 7, "single", Float, to_f32;
    I8 i8, 1, 8, "int8", Integer, to_integer;
    U8 u8, 2, 9, "uint8", Integer, to_integer;
    I16 i16, 3, 10, "int16", Integer, to_integer;
    U16 u16, 4, 11, "uint16", Integer, to_integer;
    I32 i32, 5, 12, "int32", Integer, to_integer;
    U32 u32, 6, 13, "uint32", Integer, to_integer;
    I64 i64, 12, 14, "int64", Integer, to_integer;
    U64 u64, 13, 15, "uint64", Integer, to_integer;
}

impl Numbers {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_that_keep_their_value_change_type() {
        assert_eq!(u8::exactly(Wide::Float(255.0)), Some(255));
        assert_eq!(u8::exactly(Wide::Float(-0.0)), Some(0));
        for other in
            [Wide::Float(256.0), Wide::Float(0.5), Wide::Float(f64::NAN), Wide::Integer(-1), Wide::Float(1e300)]
        {
            assert_eq!(u8::exactly(other), None, "{other}");
        }
        assert_eq!(u64::exactly(Wide::Integer(u64::MAX.into())), Some(u64::MAX));
        assert_eq!(i64::exactly(Wide::Integer(u64::MAX.into())), None);
        assert_eq!(f64::exactly(Wide::Integer(1 << 53)), Some(9_007_199_254_740_992.0));
        assert_eq!(f64::exactly(Wide::Integer((1 << 53) + 1)), None);
        assert_eq!(f32::exactly(Wide::Float(0.5)), Some(0.5));
        assert_eq!(f32::exactly(Wide::Float(0.1)), None);
        assert_eq!(f32::exactly(Wide::Float(1e300)), None);
        assert!(f32::exactly(Wide::Float(f64::NAN)).is_some_and(f32::is_nan));
    }

    #[test]
    fn bytes_are_read_in_either_order() {
        let read = |endian| Numbers::read(4, &[1, 0, 2, 0], endian);
        assert_eq!(read(Endian::Little), Some(Numbers::U16(vec![1, 2])));
        assert_eq!(read(Endian::Big), Some(Numbers::U16(vec![256, 512])));
        assert_eq!(Numbers::read(4, &[1, 0, 2], Endian::Little), None);
        assert_eq!(Numbers::read(14, &[], Endian::Little), None);
    }
}
