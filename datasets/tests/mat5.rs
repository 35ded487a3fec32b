//! MAT files: what MATLAB wrote, what our writer writes, and bytes that are neither.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "a test fails by panicking; numbers must come back as they were"
)]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use wrs_datasets::mat5::{
    Array, Class, Compression, Endian, Mat5Error, MatFile, Numbers, Numeric, Sparse, Struct, Value,
};

fn fixture(name: &str) -> MatFile {
    MatFile::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mat5").join(name)).unwrap()
}

#[test]
fn structs_of_a_big_endian_matlab() {
    let file = fixture("teststruct_6.1_SOL2.mat");
    let one = file.variable("teststruct").unwrap();
    assert_eq!(one.field("stringfield").unwrap().text().unwrap(), "Rats live on no evil star.");
    let doubles = one.field("doublefield").unwrap().matrix::<f64>().unwrap();
    assert_eq!((doubles.rows, doubles.columns), (1, 3));
    // MATLAB's own exp(1) was one step above the nearest double.
    assert_eq!(doubles.values, [2_f64.sqrt(), std::f64::consts::E.next_up(), std::f64::consts::PI]);
    let complex = one.field("complexfield").unwrap();
    assert_eq!(complex.array().describe(), "1x3 complex double");
    assert!(complex.matrix::<f64>().is_err(), "no part is dropped");
}

#[test]
fn cells_of_a_big_endian_matlab() {
    let file = fixture("testcell_6.1_SOL2.mat");
    let cells = file.variable("testcell").unwrap();
    assert!(cells.cell(0).unwrap().text().unwrap().starts_with("This cell contains this string"));
    assert_eq!(cells.cell(3).unwrap().matrix::<u8>().unwrap().values, [1, 2, 3]);
    let error = cells.cell(4).unwrap_err().to_string();
    assert!(error.starts_with("testcell: expected a cell array of 5 cells or more, got 1x4 cell"), "{error}");
}

#[test]
fn arrays_of_structs_and_nested_cells_of_a_compressing_matlab() {
    let file = fixture("teststructarr_7.4_GLNX86.mat");
    let structs = file.variable("teststructarr").unwrap();
    assert_eq!(structs.field_of(1, "two").unwrap().text().unwrap(), "number 2");
    assert_eq!(structs.field_of(0, "two").unwrap().place(), "teststructarr(1).two");
    assert!(structs.field("one").is_err() && structs.field_of(2, "one").is_err());
    let file = fixture("testcellnest_7.4_GLNX86.mat");
    let innermost = file.variable("testcellnest").unwrap().cell(1).unwrap().cell(2).unwrap().cell(1).unwrap();
    assert_eq!((innermost.place(), innermost.scalar::<f64>().unwrap()), ("testcellnest{2}{3}{2}", 5.0));
}

#[test]
fn text_in_rows_and_beyond_ascii() {
    let file = fixture("teststringarray_7.4_GLNX86.mat");
    let rows = ["one  ", "two  ", "three"].map(str::to_owned).to_vec();
    assert_eq!(file.variables[0].1.value(), &Value::Char(rows));
    let file = fixture("testunicode_7.4_GLNX86.mat");
    let text = file.variable("testunicode").unwrap().text().unwrap();
    assert!(text.starts_with("Japanese: \nすべての人間は") && text.chars().count() == 100, "{text}");
}

#[test]
fn logicals_sparse_matrices_and_three_dimensions() {
    let file = fixture("testbool_8_WIN64.mat");
    assert_eq!(file.variables[0].1.describe(), "2x1 logical");
    assert_eq!(file.variables[0].1.value(), &Value::Numeric(logical(vec![1, 0])));
    let Value::Sparse(sparse) = fixture("logical_sparse.mat").variables.remove(0).1.value().clone() else { panic!() };
    assert_eq!(
        (sparse.class, sparse.rows, sparse.column_starts),
        (Class::Logical, vec![0, 0, 0, 1, 2], vec![0, 1, 2, 5, 5])
    );
    assert_eq!(sparse.real, Numbers::U8(vec![1; 5]), "a byte each, though MATLAB calls them doubles");
    let Value::Sparse(sparse) = fixture("testsparsecomplex_6.1_SOL2.mat").variables.remove(0).1.value().clone() else {
        panic!()
    };
    assert_eq!((sparse.rows.len(), sparse.imaginary.unwrap().len()), (7, 7));
    let file = fixture("test3dmatrix_7.4_GLNX86.mat");
    assert_eq!(file.variables[0].1.dims(), [2, 3, 4]);
    assert!(file.variable("test3dmatrix").unwrap().matrix::<f64>().is_err());
}

#[test]
fn what_has_no_documented_layout_is_named_and_the_rest_is_read() {
    assert_eq!(fixture("testfunc_7.4_GLNX86.mat").variables[0].1.value(), &Value::Unread("function handle"));
    let file = fixture("testobject_7.4_GLNX86.mat");
    let error = file.variable("testobject").unwrap().field("expr").unwrap_err().to_string();
    assert!(error.contains("expected a struct with a field expr, got 1x1 object of a class"), "{error}");
    assert!(matches!(file.encode(Endian::Little, Compression::Stored), Err(Mat5Error::Array { .. })));
}

fn logical(values: Vec<u8>) -> Numeric {
    Numeric { class: Class::Logical, real: Numbers::U8(values), imaginary: None }
}

fn little(bytes: &[u32]) -> Vec<u8> {
    bytes.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A header and an uncompressed matrix of doubles by the book: 2 x 2, stored in four bytes, all elements small that may be.
fn by_the_book() -> Vec<u8> {
    let mut bytes = b"MATLAB 5.0 MAT-file".to_vec();
    bytes.resize(124, b' ');
    bytes.extend(b"\x00\x01IM");
    bytes.extend(little(&[14, 48]));
    bytes.extend(little(&[6, 8, 6, 0])); // flags: class double
    bytes.extend(little(&[5, 8, 2, 2])); // dimensions
    bytes.extend(little(&[1 << 16 | 1, u32::from(b'x')])); // the name
    bytes.extend(little(&[4 << 16 | 2, 0x0403_0201])); // bytes 1, 2, 3, 4
    bytes
}

#[test]
fn columns_come_before_rows_and_doubles_may_be_stored_in_bytes() {
    let file = MatFile::parse(&by_the_book()).unwrap();
    let x = file.variable("x").unwrap();
    assert_eq!(x.array().describe(), "2x2 double");
    assert_eq!(x.matrix::<f64>().unwrap().values, [1.0, 3.0, 2.0, 4.0]);
}

#[test]
fn numbers_are_exact_or_refused_with_their_place() {
    let doubles = Array::matrix(2, 2, &[1.0, 2.0, 300.0, 0.5]).unwrap();
    let file = MatFile::new([("GTcls", Array::structure([("Segmentation", doubles)]))]);
    let labels = file.variable("GTcls").unwrap().field("Segmentation").unwrap();
    let error = labels.matrix::<u8>().unwrap_err().to_string();
    assert!(
        error.starts_with("GTcls.Segmentation: expected numbers that uint8 holds, got 300 at (2, 1) of 2x2\nhelp:"),
        "{error}"
    );
    assert_eq!(labels.matrix::<f32>().unwrap().values, [1.0, 2.0, 300.0, 0.5]);
}

#[test]
fn a_missing_variable_or_field_is_told_with_those_that_are_there() {
    let file = MatFile::new([("image_info", Array::cells([Array::structure([("number", Array::text("3"))])]))]);
    let error = file.variable("annPoints").unwrap_err().to_string();
    assert!(error.starts_with("expected a variable annPoints, got image_info\nhelp:"), "{error}");
    let error = file.variable("image_info").unwrap().cell(0).unwrap().field("location").unwrap_err().to_string();
    let expected = "image_info{1}: expected a struct with a field location, got 1x1 struct with the fields number";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn other_formats_and_versions_are_named() {
    let refusal = |bytes: &[u8]| MatFile::parse(bytes).unwrap_err().to_string();
    let mut version_7_3 = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".to_vec();
    version_7_3.resize(512, b' ');
    assert!(
        refusal(&version_7_3)
            .contains("got version 7.3, which is HDF5\nhelp: in MATLAB: load it, then save(file, '-v7')")
    );
    let mut hdf5 = by_the_book();
    hdf5.resize(512, 0);
    hdf5.extend(b"\x89HDF\r\n\x1a\n");
    assert!(refusal(&hdf5).contains("got version 7.3"));
    assert!(refusal(&[0, 0, 0, 0, 9]).contains("got version 4"));
    assert!(refusal(b"").contains("got an empty file"));
    assert!(refusal(b"MATLAB 5.0").contains("got a file shorter than its header"));
    assert!(refusal(&[b'x'; 400]).contains("got other bytes"));
}

#[test]
fn a_file_cut_off_anywhere_says_so() {
    let file = MatFile::new([("annPoints", Array::matrix(3, 2, &[1.5; 6]).unwrap())]);
    for compression in [Compression::Stored, Compression::Deflated] {
        let bytes = file.encode(Endian::Little, compression).unwrap();
        for end in 129..bytes.len() {
            let error = MatFile::parse(&bytes[..end]).unwrap_err();
            assert!(matches!(error, Mat5Error::Damaged { .. }), "{end} of {}: {error}", bytes.len());
        }
        assert_eq!(MatFile::parse(&bytes[..128]).unwrap().variables, []);
    }
}

#[test]
fn a_bomb_is_refused_at_256_mb() {
    // 40 MB of zeros deflate to 40 kB.
    let zeros = Array::new(vec![40 << 20, 1], Value::Numeric(vec![0_u8; 40 << 20].into())).unwrap();
    let bytes = MatFile::new([("x", zeros)]).encode(Endian::Little, Compression::Deflated).unwrap();
    assert!(bytes.len() < 50_000);
    let many = [&bytes[..], &bytes[128..].repeat(6)].concat();
    let error = MatFile::parse(&many).unwrap_err().to_string();
    assert!(error.contains("element 7 at byte") && error.contains("at most 256 MB inflated from one file"), "{error}");
}

#[test]
fn cells_nest_up_to_a_bound() {
    let nest = |depth| (0..depth).fold(Array::text("x"), |inner, _| Array::cells([inner]));
    let read = |depth| {
        MatFile::parse(&MatFile::new([("x", nest(depth))]).encode(Endian::Little, Compression::Stored).unwrap())
    };
    assert!(read(32).is_ok());
    assert!(read(33).unwrap_err().to_string().contains("nested 32 deep at most"));
}

#[test]
fn dimensions_that_promise_too_much_allocate_nothing() {
    // A cell array, then a struct without fields, of 2^31 - 1 by 2^31 - 1.
    let mut cell = by_the_book();
    cell[144] = 1;
    cell[160..168].copy_from_slice(&little(&[i32::MAX as u32; 2]));
    let error = MatFile::parse(&cell).unwrap_err().to_string();
    assert!(error.contains("x{1}"), "{error}");
    let mut chars = cell;
    chars[144] = 4;
    chars[164..168].copy_from_slice(&little(&[0]));
    assert!(MatFile::parse(&chars).unwrap_err().to_string().contains("characters"));
}

#[test]
fn arrays_that_cannot_be_are_not_made() {
    assert!(Array::matrix(2, 3, &[1.0; 5]).unwrap_err().to_string().starts_with("array of 2x3: expected"));
    assert!(Array::new(vec![3], Value::Numeric(vec![1.0; 3].into())).is_err());
    assert!(Array::new(vec![usize::MAX, 2], Value::Cell(vec![])).is_err());
    assert!(Array::new(vec![2, 4], Value::Char(vec!["four".into(), "three".into()])).is_err());
    let sparse = |rows: Vec<i32>, column_starts: Vec<i32>| {
        let real = Numbers::F64(vec![1.0; rows.len()]);
        Array::new(vec![3, 2], Value::Sparse(Sparse { class: Class::F64, rows, column_starts, real, imaginary: None }))
    };
    assert!(sparse(vec![0, 2], vec![0, 1, 2]).is_ok());
    assert!(sparse(vec![0, 3], vec![0, 1, 2]).is_err());
    assert!(sparse(vec![0, -1], vec![0, 1, 2]).is_err());
    assert!(sparse(vec![0, 2], vec![0, 3, 2]).is_err());
}

fn numbers(count: usize) -> impl Strategy<Value = Numbers> {
    prop_oneof![
        prop::collection::vec(any::<f64>(), count).prop_map(Numbers::F64),
        prop::collection::vec(any::<f32>(), count).prop_map(Numbers::F32),
        prop::collection::vec(any::<i8>(), count).prop_map(Numbers::I8),
        prop::collection::vec(any::<u8>(), count).prop_map(Numbers::U8),
        prop::collection::vec(any::<i16>(), count).prop_map(Numbers::I16),
        prop::collection::vec(any::<u16>(), count).prop_map(Numbers::U16),
        prop::collection::vec(any::<i32>(), count).prop_map(Numbers::I32),
        prop::collection::vec(any::<u32>(), count).prop_map(Numbers::U32),
        prop::collection::vec(any::<i64>(), count).prop_map(Numbers::I64),
        prop::collection::vec(any::<u64>(), count).prop_map(Numbers::U64),
    ]
}

fn class() -> impl Strategy<Value = Class> {
    use Class::{F32, F64, I8, I16, I32, I64, Logical, U8, U16, U32, U64};
    prop::sample::select(vec![Logical, F64, F32, I8, U8, I16, U16, I32, U32, I64, U64])
}

fn dims() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..4_usize, 2..4)
}

fn numeric() -> impl Strategy<Value = Array> {
    dims().prop_flat_map(|dims| {
        let count = dims.iter().product();
        (class(), numbers(count), prop::option::of(numbers(count))).prop_map(move |(class, real, imaginary)| {
            Array::new(dims.clone(), Value::Numeric(Numeric { class, real, imaginary })).unwrap()
        })
    })
}

fn sparse() -> impl Strategy<Value = Array> {
    (prop::collection::vec(prop::collection::vec(0..4, 0..4), 0..4), any::<bool>()).prop_map(|(columns, logical)| {
        let ends = columns.iter().scan(0, |end, rows| {
            *end += rows.len() as i32;
            Some(*end)
        });
        let column_starts: Vec<i32> = [0].into_iter().chain(ends).collect();
        let rows: Vec<i32> = columns.concat();
        let (class, real) = if logical {
            (Class::Logical, Numbers::U8(vec![1; rows.len()]))
        } else {
            (Class::F64, Numbers::F64(rows.iter().map(|&row| f64::from(row) + 0.5).collect()))
        };
        let value = Value::Sparse(Sparse { class, rows, column_starts, real, imaginary: None });
        Array::new(vec![4, columns.len()], value).unwrap()
    })
}

fn array() -> impl Strategy<Value = Array> {
    let leaf = prop_oneof![numeric(), "\\PC{0,9}".prop_map(|text| Array::text(&text)), sparse()];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let fields = prop::collection::vec("[a-z][a-z_0-9]{0,20}", 0..4);
        let structs =
            (fields, 0..3_usize, prop::collection::vec(inner.clone(), 9)).prop_map(|(fields, count, mut values)| {
                values.truncate(fields.len() * count);
                Array::new(vec![1, count], Value::Struct(Struct { fields, values })).unwrap()
            });
        let cells = prop::collection::vec(inner, 0..5)
            .prop_map(|cells| Array::new(vec![cells.len(), 1], Value::Cell(cells)).unwrap());
        prop_oneof![structs, cells]
    })
}

fn file() -> impl Strategy<Value = MatFile> {
    prop::collection::vec(("[a-zA-Z][a-zA-Z0-9_]{0,9}", array()), 0..4).prop_map(|variables| MatFile { variables })
}

fn writing() -> impl Strategy<Value = (Endian, Compression)> {
    let endian = prop_oneof![Just(Endian::Little), Just(Endian::Big)];
    (endian, prop_oneof![Just(Compression::Stored), Just(Compression::Deflated)])
}

/// Equality in which NaN is itself.
fn same(a: &MatFile, b: &MatFile) -> bool {
    a == b || format!("{a:?}") == format!("{b:?}")
}

proptest! {
    #[test]
    fn what_is_written_is_read((endian, compression) in writing(), file in file()) {
        let read = MatFile::parse(&file.encode(endian, compression).unwrap()).unwrap();
        prop_assert!(same(&read, &file), "{:?}\n{:?}", read, file);
    }

    #[test]
    fn random_bytes_behind_a_header_break_nothing(
        tail in prop::collection::vec(prop_oneof![2 => 0..20_u8, 1 => any::<u8>()], 0..300), big in any::<bool>(),
    ) {
        let mark: &[u8] = if big { b"\x01\x00MI" } else { b"\x00\x01IM" };
        let _ = MatFile::parse(&[&[b'M'; 124], mark, &tail].concat());
        let _ = MatFile::parse(&tail);
    }

    #[test]
    fn mutated_files_break_nothing(
        (endian, compression) in writing(),
        file in file(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![0..20_u8, any::<u8>()]), 1..8),
        end in any::<prop::sample::Index>(),
    ) {
        let mut bytes = file.encode(endian, compression).unwrap();
        for (at, value) in &changes {
            *at.get_mut(&mut bytes) = *value;
        }
        let _ = MatFile::parse(&bytes[..=end.index(bytes.len())]);
        if let Ok(read) = MatFile::parse(&bytes) {
            // What is read can be looked at, and written unless it has no layout.
            for (name, _) in &read.variables {
                let _ = read.variable(name).unwrap().matrix::<f64>();
            }
            let _ = read.encode(endian, compression);
        }
    }
}

fn mat_files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(mat_files(&entry));
        } else if entry.extension().is_some_and(|ending| ending == "mat") {
            found.push(entry);
        }
    }
    found
}

/// The points of the crowd sets: `annPoints`, or ShanghaiTech's nested `location` with its `number` beside it.
fn points(path: &Path) -> usize {
    let file = MatFile::read(path).unwrap();
    let Ok(info) = file.variable("image_info") else {
        let points = file.variable("annPoints").unwrap().matrix::<f64>().unwrap();
        assert_eq!(points.columns, 2, "{}", path.display());
        return points.rows;
    };
    let info = info.cell(0).unwrap();
    let location = info.field("location").unwrap().matrix::<f64>().unwrap();
    assert_eq!(info.field("number").unwrap().scalar::<u32>().unwrap() as usize, location.rows, "{}", path.display());
    assert!(location.values.iter().all(|value| value.is_finite()));
    location.rows
}

#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn the_annotations_of_the_crowd_sets_have_their_published_counts() {
    let data = PathBuf::from(std::env::var("WRS_TEST_DATA").unwrap());
    let counts =
        |folder: &str| -> Vec<usize> { mat_files(&data.join(folder)).iter().map(|path| points(path)).collect() };
    let shanghai = counts("shtech_layout_mats");
    assert_eq!((shanghai.len(), shanghai.iter().sum::<usize>()), (38, 623));
    assert_eq!((shanghai.iter().min(), shanghai.iter().max()), (Some(&3), Some(&53)));
    assert_eq!(counts("ucf_qnrf_sample"), [977]);
    let crowds = counts("ucf_cc_50");
    assert_eq!((crowds.len(), crowds.iter().sum::<usize>(), crowds.iter().max()), (40, 50_878, Some(&4633)));
    let copies = counts("ucf_cc_50_as_qnrf");
    assert_eq!((copies.len(), copies.iter().sum::<usize>()), (40, 50_878));
}
