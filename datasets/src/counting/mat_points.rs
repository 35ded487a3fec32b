//! Points in MAT files: a matrix of a point a row, by itself or inside cells and structs.

use std::path::Path;

use super::layout::{Annotated, Entry};
use super::places::{inside, name_of};
use super::remark::{Kind, Remark};
use super::{CountingOptions, PointXy};
use crate::error::DataError;
use crate::fault::{Faults, warning};
use crate::mat5::{ArrayAt, Mat5Error, MatFile, Matrix, Value};

/// The variable of UCF-QNRF, UCF_CC_50 and NWPU.
pub(super) const ANN_POINTS: &str = "annPoints";
/// What UCF-QNRF and UCF_CC_50 append to the name of a picture.
const ENDING: &str = "_ann.mat";

/// Reads the points of a file: those of the variable that the options name, else of the layout's own.
///
/// # Errors
/// What [`MatFile::read`] refuses; no such variable, or one that holds no points.
pub(super) fn read(path: &Path, variable: &str, options: &CountingOptions) -> Result<Annotated, DataError> {
    let file = MatFile::read(path)?;
    let variable = options.variable.as_deref().unwrap_or(variable);
    points_of(&file, variable, path).map_err(DataError::mat(path))
}

fn points_of(file: &MatFile, variable: &str, path: &Path) -> Result<Annotated, Mat5Error> {
    let mut annotated = Annotated::default();
    let mut holder = only_cell(file.variable(variable)?)?;
    if matches!(holder.array().value(), Value::Struct(_)) {
        annotated.stated = holder.field("number").and_then(|number| only_cell(number)?.scalar()).ok();
        holder = only_cell(holder.field("location")?)?;
    }
    let matrix = holder.matrix::<f64>()?;
    let Matrix { rows, columns, ref values } = matrix;
    let mut remark = |kind, problem| annotated.remarks.push(Remark::new(kind, path, 1, problem));
    annotated.points = match (rows, columns) {
        _ if values.is_empty() => Vec::new(),
        (2, 1 | 3..) => {
            let problem = format!("{}: 2x{columns} numbers are taken for a point a column", holder.place());
            remark(Kind::Columns, problem);
            (0..columns).map(|c| PointXy { x: values[c], y: values[columns + c] }).collect()
        }
        (_, 1) => return Err(holder.mismatch("a point x, y a row".to_owned())),
        _ => {
            if columns > 2 {
                let problem = format!("{}: {columns} columns, of which the first two are taken", holder.place());
                remark(Kind::MoreColumns, problem);
            }
            values.chunks_exact(columns).map(|row| PointXy { x: row[0], y: row[1] }).collect()
        }
    };
    Ok(annotated)
}

/// What is in a cell of its own, however deep.
fn only_cell(mut at: ArrayAt<'_>) -> Result<ArrayAt<'_>, Mat5Error> {
    while let Value::Cell(cells) = at.array().value() {
        if cells.len() != 1 {
            return Err(at.mismatch("points, or one cell that holds them".to_owned()));
        }
        at = at.cell(0)?;
    }
    Ok(at)
}

/// Whether a folder holds MAT files that are named after pictures.
pub(super) fn has_annotations(folder: &Path) -> bool {
    inside(folder).iter().any(|path| name_of(path).ends_with(ENDING) && path.is_file())
}

/// The pictures of a folder, each with the MAT file beside it; one without a picture is warned of.
///
/// # Errors
/// [`DataError::Io`].
pub(super) fn pictures_beside(folder: &Path, faults: &mut Faults) -> Result<Vec<Entry>, DataError> {
    let (entries, pictures) = Entry::all_in(folder, |id| folder.join(format!("{id}{ENDING}")), faults)?;
    let alone = |path: &Path| name_of(path).strip_suffix(ENDING).is_some_and(|id| !pictures.has(id));
    warn_alone(inside(folder).iter().map(|path| &**path).filter(|path| alone(path)), folder, faults);
    Ok(entries)
}

/// Warns of files of points that belong to no picture of a folder.
pub(super) fn warn_alone<'a>(files: impl Iterator<Item = &'a Path>, pictures: &Path, faults: &mut Faults) {
    for path in files {
        let problem = format!("points without a picture in {}", pictures.display());
        faults.warn(|| warning(path, None, problem, "unpack its picture there, or remove the file"));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mat5::{Array, Compression, Endian, Numeric};

    fn written<const N: usize>(variables: [(&str, Array); N]) -> MatFile {
        let bytes = MatFile::new(variables).encode(Endian::Little, Compression::Deflated).unwrap();
        MatFile::parse(&bytes).unwrap()
    }

    /// Points as pairs, and what there was to remark.
    type Found = (Vec<(f64, f64)>, Vec<Kind>);

    fn read<T: Copy>(rows: usize, columns: usize, values: &[T]) -> Result<Found, String>
    where
        Numeric: From<Vec<T>>,
    {
        let file = written([("annPoints", Array::matrix(rows, columns, values).unwrap())]);
        let annotated = points_of(&file, "annPoints", Path::new("a.mat")).map_err(|error| error.to_string())?;
        let kinds = annotated.remarks.iter().map(|remark| remark.kind).collect();
        Ok((annotated.points.iter().map(|point| (point.x, point.y)).collect(), kinds))
    }

    #[test]
    fn rows_are_points_and_columns_where_there_is_no_doubt() {
        assert_eq!(read(2, 2, &[1.5, 2.0, 3.0, 4.25]).unwrap(), (vec![(1.5, 2.0), (3.0, 4.25)], vec![]));
        assert_eq!(read(1, 2, &[1.0, 2.0]).unwrap(), (vec![(1.0, 2.0)], vec![]));
        assert_eq!(read(2, 1, &[1.0, 2.0]).unwrap(), (vec![(1.0, 2.0)], vec![Kind::Columns]));
        let turned = read(2, 4, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]).unwrap();
        assert_eq!(turned, (vec![(1.0, 5.0), (2.0, 6.0), (3.0, 7.0), (4.0, 8.0)], vec![Kind::Columns]));
        let more = read(3, 3, &[1.0, 2.0, 9.0, 3.0, 4.0, 9.0, 5.0, 6.0, 9.0]).unwrap();
        assert_eq!(more, (vec![(1.0, 2.0), (3.0, 4.0), (5.0, 6.0)], vec![Kind::MoreColumns]));
        assert!(read(3, 1, &[1.0; 3]).unwrap_err().contains("annPoints: expected a point x, y a row, got 3x1 double"));
    }

    #[test]
    fn empty_arrays_of_any_shape_hold_no_points() {
        for (rows, columns) in [(0, 0), (0, 2), (2, 0), (1, 0), (0, 5)] {
            assert_eq!(read::<f64>(rows, columns, &[]).unwrap(), (vec![], vec![]), "{rows}x{columns}");
        }
        let cell = written([("annPoints", Array::cells([Array::matrix::<f64>(0, 0, &[]).unwrap()]))]);
        assert_eq!(points_of(&cell, "annPoints", Path::new("a.mat")).unwrap().points, []);
    }

    /// Row 12 of the edge cases: doubles stored as bytes; and integers.
    #[test]
    fn narrow_numbers_are_points_too() {
        assert_eq!(read(2, 2, &[1_u8, 255, 3, 4]).unwrap().0, [(1.0, 255.0), (3.0, 4.0)]);
        assert_eq!(read(1, 2, &[-1_i16, 300]).unwrap().0, [(-1.0, 300.0)]);
        let stored = crate::mat5::Numbers::U8(vec![7, 9]);
        let doubles = Numeric { class: crate::mat5::Class::F64, real: stored, imaginary: None };
        let file = written([("annPoints", Array::new(vec![1, 2], Value::Numeric(doubles)).unwrap())]);
        let annotated = points_of(&file, "annPoints", Path::new("a.mat")).unwrap();
        assert_eq!(annotated.points, [PointXy { x: 7.0, y: 9.0 }]);
    }

    /// Rows 10 and 11.
    #[test]
    fn nested_structs_are_opened_and_other_variables_named() {
        let info = |number: Array| {
            let location = Array::matrix(2, 2, &[1.0, 2.0, 3.0, 4.0]).unwrap();
            Array::structure([("location", location), ("number", number)])
        };
        let number = || Array::matrix(1, 1, &[2_u8]).unwrap();
        for holder in [
            Array::cells([info(number())]),
            info(number()),
            Array::cells([Array::cells([info(Array::cells([number()]))])]),
        ] {
            let file = written([("image_info", holder)]);
            let annotated = points_of(&file, "image_info", Path::new("a.mat")).unwrap();
            assert_eq!((annotated.points.len(), annotated.stated), (2, Some(2.0)));
        }
        let refusal = |holder: Array| {
            points_of(&written([("image_info", holder)]), "image_info", Path::new("a.mat")).unwrap_err().to_string()
        };
        let two = refusal(Array::cells([info(number()), info(number())]));
        assert!(two.contains("image_info: expected points, or one cell that holds them, got 1x2 cell"), "{two}");
        let without = refusal(Array::structure([("number", number())]));
        assert!(
            without.contains("image_info: expected a single struct with a field location")
                || without.contains("a struct with a field location"),
            "{without}"
        );
        let error = points_of(&written([("boxes", number())]), "annPoints", Path::new("a.mat")).unwrap_err();
        assert!(error.to_string().contains("expected a variable annPoints, got boxes"), "{error}");
    }

    proptest! {
        #[test]
        fn damaged_files_give_whole_points_or_errors(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let location = Array::matrix(3, 2, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
            let info = Array::structure([("location", location), ("number", Array::matrix(1, 1, &[3.0]).unwrap())]);
            let file = MatFile::new([("image_info", Array::cells([info]))]);
            let mut bytes = file.encode(Endian::Little, Compression::Stored).unwrap();
            for (at, value) in &changes {
                *at.get_mut(&mut bytes[128..]) = *value;
            }
            if let Ok(file) = MatFile::parse(&bytes) {
                let _ = points_of(&file, "image_info", Path::new("a.mat"));
            }
        }
    }
}
