//! The fonts that users add: the PSF files of the folder `IKVM_FONTS`.
//!
//! A folder or a file that cannot be read is a note, never an error: whatever else the program does needs no font.

use std::path::{Path, PathBuf};

use super::{process_variable, variable};

/// Bytes of a font file, the same as `text::psf` allows unpacked.
const MAX_FILE: u64 = 2 << 20;

/// Font files taken, by name; more would make each reading slow.
const MAX_FILES: usize = 64;

/// How the names of font files end.
const ENDINGS: [&str; 4] = [".psf", ".psfu", ".psf.gz", ".psfu.gz"];

/// A font file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FontFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its name without the ending.
    pub name: String,
    /// What is in it, at most 2 MiB.
    pub bytes: Vec<u8>,
}

/// The font files that the environment names, by name, and what the operator should know, one sentence each.
pub fn from_environment() -> (Vec<FontFile>, Vec<String>) {
    let mut notes = Vec::new();
    let folder = variable(&process_variable, "IKVM_FONTS");
    let files = folder.map_or_else(Vec::new, |folder| read(Path::new(&folder), &mut notes));
    (files, notes)
}

fn read(folder: &Path, notes: &mut Vec<String>) -> Vec<FontFile> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            notes.push(format!("IKVM_FONTS: cannot read {}: {error}; name a folder of PSF fonts", folder.display()));
            return Vec::new();
        }
    };
    let mut names: Vec<(String, String)> = entries
        .filter_map(|entry| {
            let file = entry.ok()?.file_name().to_str()?.to_owned();
            let name = ENDINGS.iter().find_map(|ending| file.strip_suffix(ending)).map(str::to_owned)?;
            Some((file, name))
        })
        .collect();
    names.sort();
    if names.is_empty() {
        notes.push(format!("IKVM_FONTS: no font in {}; put files *.psf, *.psfu or *.psf.gz there", folder.display()));
    }
    if names.len() > MAX_FILES {
        notes.push(format!(
            "IKVM_FONTS: {} fonts in {}, the first {MAX_FILES} are used",
            names.len(),
            folder.display()
        ));
        names.truncate(MAX_FILES);
    }
    let mut files = Vec::new();
    for (file, name) in names {
        let path = folder.join(&file);
        match contents(&path) {
            Ok(bytes) => files.push(FontFile { path, name, bytes }),
            Err(error) => notes.push(format!("IKVM_FONTS: cannot read {}: {error}; it is not used", path.display())),
        }
    }
    files
}

fn contents(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    // A pipe or a device of that name would never end, or never begin.
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("not a file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fonts_of_a_folder_are_taken_by_name_and_the_rest_is_told() {
        let folder = std::env::temp_dir().join(format!("ikvm-mcp-fonts-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let mut notes = Vec::new();
        assert_eq!(read(&folder, &mut notes), []);
        assert!(notes.pop().unwrap().ends_with("; name a folder of PSF fonts"), "{notes:?}");
        std::fs::create_dir_all(folder.join("folder.psf")).unwrap();
        std::fs::write(folder.join("README"), "no font").unwrap();
        for name in ["b-8x16.psfu.gz", "a.psf"] {
            std::fs::write(folder.join(name), name).unwrap();
        }
        let files = read(&folder, &mut notes);
        let names: Vec<(&str, &[u8])> = files.iter().map(|file| (file.name.as_str(), &file.bytes[..])).collect();
        assert_eq!(names, [("a", &b"a.psf"[..]), ("b-8x16", b"b-8x16.psfu.gz")]);
        assert_eq!(notes.len(), 1);
        assert!(notes[0].ends_with("folder.psf: not a file; it is not used"), "{notes:?}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
