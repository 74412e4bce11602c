//! Which system calls are refused: two programs that the kernel runs before each call, made without asking it.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

/// The programs. Of what they say of a call, the stricter counts.
pub(super) fn programs() -> Result<[BpfProgram; 2], BackendError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let refused = CALLS.iter().chain(OF_X86);
    // No condition: whatever the arguments are.
    let mut rules: BTreeMap<_, _> = refused.map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_clone, with_namespaces()?);
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)?;
    Ok([filter.try_into()?, absent()])
}

/// A thread or a process that would begin in a namespace of its own, by any of the flags: there a user is root.
fn with_namespaces() -> Result<Vec<SeccompRule>, BackendError> {
    let rule = |flag: &libc::c_int| {
        let flag = u64::from(flag.unsigned_abs());
        let has = SeccompCmpOp::MaskedEq(flag);
        let condition = SeccompCondition::new(0, SeccompCmpArgLen::Dword, has, flag)?;
        SeccompRule::new(vec![condition])
    };
    NAMESPACES.iter().map(rule).collect()
}

/// Says of some calls that this kernel does not have them (ENOSYS), as older ones say it: libraries then use others.
///
/// clone3, for its flags are in memory, where no filter sees them; and all calls of x32, which have other numbers than
/// the ones that are refused.
fn absent() -> BpfProgram {
    // The beginning of `struct seccomp_data` is the number of the call.
    const NUMBER_AT: u32 = 0;
    let statement = |code: u32, k: u32| jump(code, k, 0, 0);
    vec![
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, NUMBER_AT),
        jump(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, X32, 2, 0),
        jump(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, CLONE3, 1, 0),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
        statement(
            libc::BPF_RET | libc::BPF_K,
            libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs(),
        ),
    ]
}

/// An instruction that goes on behind so many others.
#[expect(
    clippy::cast_possible_truncation,
    reason = "instructions are 16 bits; libc has them wider"
)]
fn jump(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    let code = code as u16;
    sock_filter { code, jt, jf, k }
}

/// The flags of clone(2) that make a namespace.
const NAMESPACES: [libc::c_int; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// The numbers of x32 begin here (`__X32_SYSCALL_BIT`); elsewhere there are none so large.
const X32: u32 = 0x4000_0000;

/// The same on every architecture.
const CLONE3: u32 = 435;

/// On both architectures.
const CALLS: &[c_long] = &[
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
const OF_X86: &[c_long] = &[libc::SYS_iopl, libc::SYS_ioperm];
/// There are none.
#[cfg(not(target_arch = "x86_64"))]
const OF_X86: &[c_long] = &[];
