//! Where what may be touched really is: links followed, folders instead of files that will be replaced.

use std::fs;
use std::path::{Path, PathBuf};

use super::allowed::Want;

/// What is done with a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Its content is read.
    Read,
    /// It is written to; files are made in a folder.
    Write,
    /// Sockets are made in it and removed.
    Bind,
    /// Programs are started.
    Run,
    /// Files are read, made and replaced in a folder.
    #[cfg_attr(not(feature = "acme"), allow(dead_code, reason = "nothing is kept"))]
    Keep,
}

/// A real path, and what may be done there and below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) may: Use,
}

/// Folders full of programs: there only the binary itself may be started, and one that takes its place may not.
const SHARED: [&str; 6] = [
    "/bin",
    "/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
];

/// Where these are. What is not there, or cannot be found, needs no place.
pub(super) fn find(wants: &[Want]) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    let mut add = |path: Option<PathBuf>, may| {
        let place = path.map(|path| Place { path, may });
        places.extend(place.filter(|place| !places.contains(place)));
    };
    for want in wants {
        match want {
            Want::Tree(path) => add(real(path), Use::Read),
            Want::File(path) => {
                add(folder(path), Use::Read);
                add(real(path).as_deref().and_then(folder), Use::Read);
            }
            Want::Log(path) if is_special(path) => {
                add(real(path), Use::Read);
                add(real(path), Use::Write);
            }
            Want::Log(path) => {
                add(folder(path), Use::Write);
                add(real(path).as_deref().and_then(folder), Use::Write);
            }
            Want::Socket(path) => add(folder(path), Use::Bind),
            Want::Cache(path) => add(real(path), Use::Keep),
            Want::Program(path) => {
                let file = real(path);
                for folder in [folder(path), file.as_deref().and_then(folder)] {
                    add(folder.filter(|folder| !is_shared(folder)), Use::Run);
                }
                add(file, Use::Run);
            }
            Want::Loaded => {
                for path in mapped() {
                    if is_loader(&path) {
                        add(real(&path), Use::Run);
                    } else {
                        add(folder(&path), Use::Read);
                    }
                }
            }
            Want::Null => {
                add(real(Path::new("/dev/null")), Use::Read);
                add(real(Path::new("/dev/null")), Use::Write);
            }
        }
    }
    places
}

/// One of the places lets this be done.
pub(super) fn cover(places: &[Place], path: &Path, wanted: Use) -> bool {
    let path = real(path).or_else(|| Some(folder(path)?.join(path.file_name()?)));
    let Some(path) = path else {
        return false;
    };
    places.iter().any(|place| {
        let is_read_too = matches!(place.may, Use::Run | Use::Keep) && wanted == Use::Read;
        let is_enough = place.may == wanted || is_read_too;
        is_enough && path.starts_with(&place.path)
    })
}

fn real(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok()
}

/// The real folder that the name is in.
fn folder(path: &Path) -> Option<PathBuf> {
    let parent = path.parent()?;
    if parent.as_os_str().is_empty() {
        return real(Path::new("."));
    }
    real(parent)
}

/// It is there and no regular file: nobody renames a FIFO or a device.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file())
}

fn is_shared(folder: &Path) -> bool {
    SHARED
        .iter()
        .any(|it| folder == Path::new(it) || real(Path::new(it)).is_some_and(|it| it == folder))
}

fn is_loader(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"ld-"))
}

/// The files that this process is made of.
fn mapped() -> Vec<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let paths = maps.lines().filter_map(|line| {
        let at = line.find('/')?;
        Some(PathBuf::from(line.get(at..)?))
    });
    let mut paths: Vec<_> = paths.collect();
    paths.dedup();
    paths
}
