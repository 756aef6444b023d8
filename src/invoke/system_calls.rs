//! The system calls that the sandbox refuses although they need no capability: what they reach has no namespace, such as keys and
//! the kernel's log, or is a part of the kernel through which programs have left sandboxes.
//!
//! Lambda restricts them too (AWS whitepaper "Security Overview of AWS Lambda", isolation technologies), but does not publish
//! which. These are those that both Docker's default profile and that of Flatpak, which uses bubblewrap, refuse, and that a user
//! without capabilities could use; AWS's own emulator runs functions under the former. ptrace(2) is not among them: a function's
//! processes are its own, and process 1 cannot be traced.

use std::collections::BTreeMap;

use seccompiler::SeccompCmpOp::{self, Eq, MaskedEq, Ne};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Refused with any arguments: keys, which are those of whoever started layerfit; the kernel's log; and parts of the kernel.
const REFUSED: &[i64] = &[
    libc::SYS_add_key,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    libc::SYS_syslog,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// `CLONE_NEWUSER` (linux/sched.h): a user namespace, in which a process has all capabilities.
const NEW_USERS: u64 = 0x1000_0000;

/// `TIOCSTI` and `TIOCLINUX` (asm-generic/ioctls.h, which x86-64 and arm64 have): input for a terminal, and a console's selection.
const OF_A_TERMINAL: [u64; 2] = [0x5412, 0x541c];

/// The families of sockets that are left (linux/socket.h): unspecified, Unix, IPv4, IPv6 and netlink. Others lead to the
/// hypervisor, from any network namespace, or to rare parts of the kernel.
const FAMILIES: [u64; 5] = [0, 1, 2, 10, 16];

/// Restricts the system calls of this thread, and of all threads and processes that it will start.
///
/// # Errors
/// When the kernel has no filters for system calls.
pub(super) fn restrict() -> Result<(), seccompiler::Error> {
    for (rules, error) in rules()? {
        let refuse = SeccompAction::Errno(u32::try_from(error).unwrap_or(0));
        // A call of another architecture ends the process, as in Lambda (decompals/wibo#130).
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, std::env::consts::ARCH.try_into()?)?;
        apply_filter(&BpfProgram::try_from(filter)?)?;
    }
    #[cfg(target_arch = "x86_64")]
    apply_filter(&x32())?;
    Ok(())
}

/// What is refused, by the error that the caller gets.
fn rules() -> Result<[(Rules, i32); 3], BackendError> {
    let namespaces = rule(&[(0, MaskedEq(NEW_USERS), NEW_USERS)])?;
    let terminal = OF_A_TERMINAL.map(|request| rule(&[(1, Eq, request)]));
    let mut refused: Rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    refused.insert(libc::SYS_clone, vec![namespaces.clone()]);
    refused.insert(libc::SYS_unshare, vec![namespaces]);
    refused.insert(libc::SYS_ioctl, terminal.into_iter().collect::<Result<_, _>>()?);
    let family = rule(&FAMILIES.map(|family| (0, Ne, family)))?;
    let sockets = [(libc::SYS_socket, vec![family.clone()]), (libc::SYS_socketpair, vec![family])];
    // Its flags are in memory, which a filter cannot read; C libraries then use clone(2).
    let hidden_flags = [(libc::SYS_clone3, Vec::new())];
    Ok([(refused, libc::EPERM), (sockets.into(), libc::EAFNOSUPPORT), (hidden_flags.into(), libc::ENOSYS)])
}

/// A rule for a call whose arguments, by their index from 0, all compare so in their lower 32 bits.
fn rule(arguments: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, BackendError> {
    let conditions = arguments.iter().map(|(index, comparison, value)| {
        SeccompCondition::new(*index, SeccompCmpArgLen::Dword, comparison.clone(), *value)
    });
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

/// Refuses the calls of x32: they have the architecture of x86-64, and a bit in their numbers (asm/unistd.h).
#[cfg(target_arch = "x86_64")]
fn x32() -> [seccompiler::sock_filter; 4] {
    // linux/bpf_common.h: load a word of the data, compare it with a constant, return. The number of the call is at 0.
    let step = |code, jf, k| seccompiler::sock_filter { code, jt: 0, jf, k };
    let refuse = SeccompAction::Errno(u32::try_from(libc::ENOSYS).unwrap_or(0));
    [
        step(0x20, 0, 0),
        step(0x35, 1, 0x4000_0000),
        step(0x06, 0, refuse.into()),
        step(0x06, 0, SeccompAction::Allow.into()),
    ]
}
