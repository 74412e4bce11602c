//! Where a system keeps the certificates of the authorities it believes.

use std::io;
use std::path::{Path, PathBuf};

use super::certificate::Authorities;

/// In one file: Debian, Alpine, Arch and OpenWrt; Fedora and its kin; openSUSE; what is left.
///
/// The crate for this would be one more, with five others in the lock file that only other systems build; these places
/// are as old as the distributions.
const FILES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// One by one.
const FOLDER: &str = "/etc/ssl/certs";
/// These say where they are instead, to every program that is linked with OpenSSL.
const FILE_VARIABLE: &str = "SSL_CERT_FILE";
const FOLDERS_VARIABLE: &str = "SSL_CERT_DIR";

/// How the machine is asked: for variables, for files, and for what is in a folder.
#[derive(Clone, Copy)]
pub struct Machine<'a> {
    /// The value of an environment variable.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// The content of a file.
    pub file: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
    /// The files in a folder.
    pub folder: &'a dyn Fn(&Path) -> io::Result<Vec<PathBuf>>,
}

impl std::fmt::Debug for Machine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").finish_non_exhaustive()
    }
}

/// The authorities that the system believes, and the files they are in.
#[derive(Debug, Clone)]
pub struct Roots {
    /// They.
    pub authorities: Authorities,
    /// Where they are.
    pub files: Vec<PathBuf>,
}

impl Roots {
    /// The system's, or those where `SSL_CERT_FILE` and `SSL_CERT_DIR` say. What of them cannot be read is passed over.
    ///
    /// # Errors
    /// There are none: where they were looked for.
    pub fn find(machine: &Machine<'_>) -> Result<Self, String> {
        let said = |name| (machine.environment)(name).filter(|value| !value.is_empty());
        let (file, folders) = (said(FILE_VARIABLE), said(FOLDERS_VARIABLE));
        if file.is_some() || folders.is_some() {
            let folders = folders.iter().flat_map(|folders| folders.split(':'));
            let inside = folders.flat_map(|folder| files_in(machine, Path::new(folder)));
            let all = file.into_iter().map(PathBuf::from).chain(inside);
            let found = Self::of_files(machine, all);
            return found.ok_or_else(|| {
                format!("there are none where {FILE_VARIABLE} and {FOLDERS_VARIABLE} say")
            });
        }
        let mut bundles = FILES.iter().map(PathBuf::from);
        bundles
            .find_map(|path| Self::of_files(machine, [path]))
            .or_else(|| Self::of_files(machine, files_in(machine, Path::new(FOLDER))))
            .ok_or_else(|| format!("there are none in {} and the like", FILES[0]))
    }

    /// Those in these files; `None`: there are none.
    fn of_files(machine: &Machine<'_>, paths: impl IntoIterator<Item = PathBuf>) -> Option<Self> {
        let read = paths.into_iter().filter_map(|path| {
            let content = (machine.file)(&path).ok()?;
            Some((path, content))
        });
        let (files, contents): (Vec<_>, Vec<_>) = read.unzip();
        let authorities = Authorities::from_any(&contents).ok()?;
        Some(Self { authorities, files })
    }
}

fn files_in(machine: &Machine<'_>, folder: &Path) -> Vec<PathBuf> {
    (machine.folder)(folder).unwrap_or_default()
}
