//! JHU-CROWD++ (Sindagi et al. 2020): `train/images/0001.jpg`, `train/gt/0001.txt` of lines `x y w h o b`, the centre and
//! size of a head, how far it is hidden and whether it is blurred, and `train/image_labels.txt` of lines
//! `id,count,scene,weather,distractor`. An empty file of points is a picture without people.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::CountingOptions;
use super::layout::{Annotated, Entry, Listed, Reader};
use super::mat_points::warn_alone;
use super::places::{folder_named, folders, has_folder, home_of, inside, split_folder};
use super::remark::{Kind, Remark, tell};
use super::text_points::read_lines;
use crate::error::DataError;
use crate::fault::Faults;
use crate::id_list::read_text;
use crate::split::Split;

/// Weather by its number.
const WEATHER: [&str; 4] = ["none", "fog/haze", "rain", "snow"];
/// Whether a picture only looks like a crowd, by its number.
const DISTRACTOR: [&str; 2] = ["no", "yes"];

/// Reads [`super::CountingLayout::Jhu`].
pub(super) struct JhuReader;

impl Reader for JhuReader {
    fn lies_under(&self, root: &Path) -> bool {
        home_of(root, is_home).is_some()
    }

    fn looks_for(&self) -> &'static [&'static str] {
        &["{train,val,test}/{images/*.jpg,gt/*.txt,image_labels.txt}", "*/{train,val,test}/gt"]
    }

    fn list(&self, root: &Path, split: &Split, _: &CountingOptions, faults: &mut Faults) -> Result<Listed, DataError> {
        let home = home_of(root, is_home).unwrap_or_else(|| root.to_path_buf());
        let folder = split_folder(&home, split, &[""])?;
        let source = folder_named(&folder, &["images"])?.unwrap_or_else(|| folder.join("images"));
        let truths = folder_named(&folder, &["gt"])?.unwrap_or_else(|| folder.join("gt"));
        let (mut entries, pictures) = Entry::all_in(&source, |id| truths.join(format!("{id}.txt")), faults)?;
        let (list, mut notes) = (folder.join("image_labels.txt"), Vec::new());
        let labels = if list.is_file() {
            Some(read_labels(&list, faults)?)
        } else {
            notes.push(format!("{} is not there: nothing is known of scene and weather", list.display()));
            None
        };
        let mut remarks = Vec::new();
        for entry in &mut entries {
            match labels.as_ref().map(|labels| labels.get(&entry.id)) {
                Some(Some((count, attributes))) => {
                    entry.stated = Some(*count);
                    entry.attributes.clone_from(attributes);
                }
                Some(None) => {
                    let problem = format!("expected a line for it in {}, got none", list.display());
                    remarks.push(Remark::new(Kind::Unlisted, &entry.image, 1, problem));
                }
                None => {}
            }
        }
        tell(&remarks, &mut notes, faults);
        let is_text = |path: &Path| path.extension().is_some_and(|ending| ending == "txt");
        let alone =
            |path: &Path| is_text(path) && !pictures.has(&path.file_stem().unwrap_or_default().to_string_lossy());
        warn_alone(inside(&truths).iter().map(|path| &**path).filter(|path| alone(path)), &source, faults);
        Ok(Listed { name: format!("{split} of {}", home.display()), source, entries, notes })
    }

    fn read(&self, path: &Path, _: &CountingOptions) -> Result<Annotated, DataError> {
        let points = read_lines(path, &["x", "y", "w", "h", "o", "b"])?;
        Ok(Annotated { points, ..Annotated::default() })
    }
}

fn is_home(folder: &Path) -> bool {
    folders(folder).iter().any(|split| has_folder(split, &["images"]) && has_folder(split, &["gt"]))
}

/// What is said of a picture: its count, and scene, weather and distractor.
type Labels = (f64, BTreeMap<String, String>);

fn read_labels(list: &Path, faults: &mut Faults) -> Result<HashMap<String, Labels>, DataError> {
    let text = read_text(list)?;
    let lines = (1..).zip(text.trim_start_matches('\u{feff}').lines()).filter(|(_, line)| !line.trim().is_empty());
    let parsed = lines.filter_map(|(at, line)| {
        faults.take(label_of(line).ok_or_else(|| DataError::Record {
            path: list.to_path_buf(),
            record: format!("line {at}"),
            expected: "id,count,scene,weather (0 to 3),distractor (0 or 1)".into(),
            got: format!("\"{line}\""),
            help: "write: 0001,17,street,0,0",
        }))
    });
    Ok(parsed.collect())
}

fn label_of(line: &str) -> Option<(String, Labels)> {
    let (id, rest) = line.split_once(',')?;
    let (count, rest) = rest.split_once(',')?;
    let (rest, distractor) = rest.rsplit_once(',')?;
    let (scene, weather) = rest.rsplit_once(',')?;
    let word = |words: &[&str], number: &str| Some((*words.get(number.trim().parse::<usize>().ok()?)?).to_owned());
    let attributes = [
        ("scene", scene.trim().to_owned()),
        ("weather", word(&WEATHER, weather)?),
        ("distractor", word(&DISTRACTOR, distractor)?),
    ];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value));
    Some((id.trim().to_owned(), (count.trim().parse().ok()?, attributes.into())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn labels_are_words() {
        let (id, (count, attributes)) = label_of(" 0001, 17 ,protest, march,1,0\r").unwrap();
        let words: Vec<_> = attributes.iter().map(|(name, value)| format!("{name} {value}")).collect();
        assert_eq!((id.as_str(), count), ("0001", 17.0));
        assert_eq!(words, ["distractor no", "scene protest, march", "weather fog/haze"]);
        assert_eq!(label_of("1,0,street,3,1").unwrap().1.1["weather"], "snow");
        for line in ["", "1,2,3,4", "1,x,street,0,0", "1,2,street,4,0", "1,2,street,0,2", "1,2,street,-1,0"] {
            assert!(label_of(line).is_none(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(text in "([0-9a-z ,-]{0,6},?){0,7}") {
            let _ = label_of(&text);
        }
    }
}
