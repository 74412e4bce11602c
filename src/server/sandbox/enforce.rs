//! How it is enforced: Landlock for files, as much of it as the kernel knows; seccomp for system calls.

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, PathBeneath, PathFd, RestrictSelfError, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, make_bitflags,
};

use super::Missing;
use super::places::{Place, Use};

/// The newest rights that are asked for; an older kernel gives what it has.
const NEWEST: ABI = ABI::V5;

/// Keeps all files shut but these. With `is_inside` there is a sandbox around this one already: then the kernel may say
/// that so many, one within the other, are enough.
pub(super) fn landlock(places: &[Place], is_inside: bool) -> Result<(), Missing> {
    match restrict(places) {
        Ok(RulesetStatus::NotEnforced) => Err(Missing::Landlock),
        Ok(RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced) => Ok(()),
        Err(RulesetError::RestrictSelf(RestrictSelfError::RestrictSelfCall { source, .. }))
            if is_inside && source.raw_os_error() == Some(libc::E2BIG) =>
        {
            Ok(())
        }
        Err(error) => Err(Missing::LandlockFailed(error.to_string())),
    }
}

fn restrict(places: &[Place]) -> Result<RulesetStatus, RulesetError> {
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .create()?;
    for place in places {
        // What this user does not get at needs no rule.
        if let Ok(fd) = PathFd::new(&place.path) {
            let rights = rights(place.may, place.path.is_dir());
            ruleset = ruleset.add_rule(PathBeneath::new(fd, rights))?;
        }
    }
    Ok(ruleset.restrict_self()?.ruleset)
}

fn rights(may: Use, is_folder: bool) -> BitFlags<AccessFs> {
    match (may, is_folder) {
        (Use::Read, true) => make_bitflags!(AccessFs::{ReadFile | ReadDir}),
        (Use::Read, false) => AccessFs::ReadFile.into(),
        (Use::Write, true) => make_bitflags!(AccessFs::{WriteFile | MakeReg}),
        (Use::Write, false) => AccessFs::WriteFile.into(),
        (Use::Keep, true) => {
            make_bitflags!(AccessFs::{ReadFile | ReadDir | WriteFile | MakeReg | RemoveFile})
        }
        (Use::Keep, false) => make_bitflags!(AccessFs::{ReadFile | WriteFile}),
        (Use::Bind, _) => make_bitflags!(AccessFs::{MakeSock | RemoveFile}),
        // The kernel reads what it starts.
        (Use::Run, _) => make_bitflags!(AccessFs::{Execute | ReadFile}),
    }
}

/// Refuses what no gateway calls, in this thread and those that it will start.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) fn seccomp() -> Result<(), Missing> {
    let failed = |why: &dyn std::fmt::Display| Missing::SeccompFailed(why.to_string());
    let programs = super::filter::programs().map_err(|error| failed(&error))?;
    for program in &programs {
        seccompiler::apply_filter(program).map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// Nobody has written the numbers down.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn seccomp() -> Result<(), Missing> {
    Err(Missing::Architecture)
}
