//! How a counting data set lies on disk.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::natural::natural_cmp;
use super::options::CountingOptions;
use super::remark::Remark;
use super::{PointXy, dots, jhu, nwpu, points_csv, qnrf, shanghaitech, ucf_cc_50};
use crate::error::DataError;
use crate::fault::Faults;
use crate::files_by_id::FilesById;
use crate::image::ImageSize;
use crate::recognise::{Candidate, only_layout};
use crate::split::Split;

/// One row a layout, in the order they are looked for: name, name in recipes, what reads it, what it is.
macro_rules! layouts {
    ($($layout:ident, $name:literal, $reader:expr, $doc:literal;)*) => {
        /// How a counting data set lies on disk.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum CountingLayout {
            $(#[doc = $doc] #[serde(rename = $name)] $layout,)*
        }

        impl CountingLayout {
            /// Every layout, in the order they are looked for.
            pub const ALL: &[Self] = &[$(Self::$layout),*];

            /// As recipes and messages spell it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$layout => $name,)* }
            }

            pub(super) fn reader(self) -> &'static dyn Reader {
                match self { $(Self::$layout => &$reader,)* }
            }
        }
    };
}

layouts! {
    Qnrf, "qnrf", qnrf::QnrfReader, "UCF-QNRF: `{Train,Test,Val}/img_1.jpg` with `img_1_ann.mat` beside it.";
    Shanghaitech, "shanghaitech", shanghaitech::ShanghaitechReader, "`part_A/train_data/{images/IMG_1.jpg,ground_truth/GT_IMG_1.mat}`.";
    UcfCc50, "ucf-cc-50", ucf_cc_50::UcfCc50Reader, "One folder of `1.jpg` with `1_ann.mat` beside it; its one split is `all`.";
    Nwpu, "nwpu", nwpu::NwpuReader, "`images/0001.jpg`, `jsons/0001.json` or `mats/0001.mat`, and lists `train.txt` of `id luminance level`.";
    Jhu, "jhu", jhu::JhuReader, "JHU-CROWD++: `{train,val,test}/{images/0001.jpg,gt/0001.txt,image_labels.txt}`.";
    PointsCsv, "points-csv", points_csv::PointsCsvReader, "Pictures with a CSV `image,x,y`, or lists of lines `picture points.txt`.";
    Dots, "dots", dots::DotsReader, "Pictures `001cell.png`, each with a picture `001dots.png` of a dot an object.";
}

/// What a layout is read by.
pub(super) trait Reader {
    /// Whether this layout lies under the root.
    fn lies_under(&self, root: &Path) -> bool;

    /// What [`Reader::lies_under`] looks for, as paths with `*` under the root.
    fn looks_for(&self) -> &'static [&'static str];

    /// Lists the pictures of a split and where their points belong. What leaves something to go on with is pushed.
    fn list(
        &self,
        root: &Path,
        split: &Split,
        options: &CountingOptions,
        faults: &mut Faults,
    ) -> Result<Listed, DataError>;

    /// Reads the file that holds the points of one picture.
    fn read(&self, path: &Path, options: &CountingOptions) -> Result<Annotated, DataError>;
}

/// The pictures of a split as its layout names them.
#[derive(Debug)]
pub(super) struct Listed {
    /// Which images these are.
    pub name: String,
    /// The file or folder that names the pictures, for messages.
    pub source: PathBuf,
    /// The pictures and their points, on disk or not.
    pub entries: Vec<Entry>,
    /// For the caller to print.
    pub notes: Vec<String>,
}

/// A picture and the points it should have.
#[derive(Debug)]
pub(super) struct Entry {
    /// The picture's name without folders and ending.
    pub id: String,
    /// The picture.
    pub image: PathBuf,
    /// Where its points are.
    pub annotation: Annotation,
    /// How many points it has by a file that lists the pictures.
    pub stated: Option<f64>,
    /// What its data set says of it beside the points.
    pub attributes: BTreeMap<String, String>,
}

/// Where the points of a picture are.
#[derive(Debug)]
pub(super) enum Annotation {
    /// In a file of their own, on disk or not.
    File(PathBuf),
    /// In a file that was read, with those of other pictures.
    Read(PathBuf, Vec<PointXy>),
}

/// What a file says of one picture.
#[derive(Debug, Default)]
pub(super) struct Annotated {
    /// The points, in the order of the file.
    pub points: Vec<PointXy>,
    /// How many there are by the file.
    pub stated: Option<f64>,
    /// The size of the picture that they were drawn on.
    pub size: Option<ImageSize>,
    /// What is odd about the file, though it can be read.
    pub remarks: Vec<Remark>,
}

impl Entry {
    /// A picture with a file of points.
    pub fn with_file(id: impl Into<String>, image: PathBuf, annotation: PathBuf) -> Self {
        let (annotation, attributes) = (Annotation::File(annotation), BTreeMap::new());
        Self { id: id.into(), image, annotation, stated: None, attributes }
    }

    /// The pictures of a folder in natural order of their names, each with the file of points of its name.
    ///
    /// # Errors
    /// [`DataError::Io`].
    pub fn all_in(
        folder: &Path,
        points_of: impl Fn(&str) -> PathBuf,
        faults: &mut Faults,
    ) -> Result<(Vec<Self>, FilesById), DataError> {
        let pictures = FilesById::list(folder)?;
        let mut ids: Vec<_> = pictures.ids().collect();
        ids.sort_by(|a, b| natural_cmp(a, b));
        let entry = |id| Some(Self::with_file(id, faults.take(pictures.find(id, "jpg"))?, points_of(id)));
        let entries = ids.into_iter().filter_map(entry).collect();
        Ok((entries, pictures))
    }
}

impl Annotation {
    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Read(path, _) => path,
        }
    }

    /// Whether it is there.
    pub fn is_there(&self) -> bool {
        match self {
            Self::File(path) => path.is_file(),
            Self::Read(..) => true,
        }
    }
}

impl fmt::Display for CountingLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The one layout under a root.
///
/// # Errors
/// [`DataError::Layout`] with everything looked for; [`DataError::Layouts`] where there are several.
pub fn recognise(root: &Path) -> Result<CountingLayout, DataError> {
    let candidate = |&layout: &CountingLayout| {
        let reader = layout.reader();
        Candidate { layout, lies_there: reader.lies_under(root), looks_for: reader.looks_for() }
    };
    let candidates: Vec<_> = CountingLayout::ALL.iter().map(candidate).collect();
    only_layout("counting data", root, &candidates)
}
