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
        (Use::Bind, _) => make_bitflags!(AccessFs::{MakeSock | RemoveFile}),
        // The kernel reads what it starts.
        (Use::Run, _) => make_bitflags!(AccessFs::{Execute | ReadFile}),
    }
}

/// Refuses what no gateway calls, with EPERM.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) fn seccomp() -> Result<(), Missing> {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};

    let failed = |why: &dyn std::fmt::Display| Missing::SeccompFailed(why.to_string());
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| failed(&error))?;
    // No condition: whatever the arguments are.
    let refused = refused::CALLS.iter().chain(refused::OF_X86);
    let rules = refused.map(|call| (*call, Vec::new())).collect();
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch);
    let program: BpfProgram = filter
        .and_then(TryInto::try_into)
        .map_err(|error| failed(&error))?;
    apply_filter(&program).map_err(|error| failed(&error))
}

/// Nobody has written the numbers down.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn seccomp() -> Result<(), Missing> {
    Err(Missing::Architecture)
}

/// The calls.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod refused {
    use libc::c_long;

    /// On both architectures.
    pub(super) const CALLS: &[c_long] = &[
        // Into other processes.
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_process_madvise,
        libc::SYS_pidfd_getfd,
        libc::SYS_kcmp,
        libc::SYS_perf_event_open,
        // Another view of the file system, or around the view.
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_open_tree,
        libc::SYS_move_mount,
        libc::SYS_fsopen,
        libc::SYS_fsconfig,
        libc::SYS_fsmount,
        libc::SYS_fspick,
        libc::SYS_mount_setattr,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_setns,
        libc::SYS_unshare,
        libc::SYS_open_by_handle_at,
        libc::SYS_name_to_handle_at,
        // Into the kernel.
        libc::SYS_kexec_load,
        libc::SYS_kexec_file_load,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_bpf,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_userfaultfd,
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_syslog,
        // The machine.
        libc::SYS_reboot,
        libc::SYS_swapon,
        libc::SYS_swapoff,
        libc::SYS_clock_settime,
        libc::SYS_settimeofday,
        libc::SYS_adjtimex,
        libc::SYS_clock_adjtime,
        libc::SYS_sethostname,
        libc::SYS_setdomainname,
        libc::SYS_acct,
        libc::SYS_quotactl,
        libc::SYS_personality,
        // Somebody else: that is over by now.
        libc::SYS_setuid,
        libc::SYS_setgid,
        libc::SYS_setreuid,
        libc::SYS_setregid,
        libc::SYS_setresuid,
        libc::SYS_setresgid,
        libc::SYS_setgroups,
        libc::SYS_setfsuid,
        libc::SYS_setfsgid,
        libc::SYS_capset,
    ];

    /// The ports of a PC.
    #[cfg(target_arch = "x86_64")]
    pub(super) const OF_X86: &[c_long] = &[libc::SYS_iopl, libc::SYS_ioperm];
    /// There are none.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) const OF_X86: &[c_long] = &[];
}
