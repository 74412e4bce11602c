//! Where what was got is kept: one file with a certificate and its key, and one with the key of an account. Nobody but
//! the user of this process reads either.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::config::{Acme, load_file};
use crate::net::tls::acme::order::new_account_key;
use crate::net::tls::certificate::{Facts, Flaw, Identity};

/// The files of one certificate.
#[derive(Debug, Clone)]
pub(super) struct Store {
    folder: PathBuf,
    certificate: PathBuf,
    account: PathBuf,
}

impl Store {
    pub(super) fn of(acme: &Acme) -> Self {
        Self {
            folder: acme.cache.clone(),
            certificate: acme.certificate(),
            account: acme.account(),
        }
    }

    /// What the certificate says that is kept. `None`: there is none that could be used.
    pub(super) fn certificate(&self) -> Option<Facts> {
        facts_of(&load_file(&self.certificate).ok()?).ok()
    }

    /// Keeps a certificate, in one step: whoever reads sees the one before or this one.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn keep(&self, pem: &[u8]) -> io::Result<()> {
        let new = self.new_file(&self.certificate)?;
        new.fill(pem)
    }

    /// The key of the account, made where there is none. That something can be kept is tried too.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn account(&self) -> io::Result<Vec<u8>> {
        make_folder(&self.folder)?;
        drop(self.new_file(&self.certificate)?);
        match load_file(&self.account) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = new_account_key();
                self.new_file(&self.account)?.fill(&key)?;
                Ok(key)
            }
            read => read,
        }
    }

    fn new_file<'a>(&self, path: &'a Path) -> io::Result<New<'a>> {
        let beside = path.with_extension(format!("new-{}", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        Ok(New {
            file: options.open(&beside)?,
            beside,
            path,
        })
    }
}

/// A file beside the one whose place it is to take; removed where it does not come to that.
struct New<'a> {
    file: File,
    beside: PathBuf,
    path: &'a Path,
}

impl New<'_> {
    fn fill(mut self, octets: &[u8]) -> io::Result<()> {
        self.file.write_all(octets)?;
        self.file.sync_all()?;
        fs::rename(&self.beside, self.path)
    }
}

impl Drop for New<'_> {
    fn drop(&mut self) {
        // Once it has taken the place there is nothing by this name.
        let _ = fs::remove_file(&self.beside);
    }
}

/// Makes the folder, where it is not there. Those above it are made as others are: whose this one will be has to get to it.
///
/// # Errors
/// What the system says.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    if let Some(above) = path.parent() {
        fs::create_dir_all(above)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

/// What a certificate says, if it can be used with the key that is in the same file.
///
/// # Errors
/// What is wrong with it.
pub(super) fn facts_of(pem: &[u8]) -> Result<Facts, Flaw> {
    Ok(Identity::from_pem(pem, pem)?.facts().clone())
}
