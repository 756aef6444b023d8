//! Whatever a function does in `layerfit invoke`, the run ends soon after its timeout, takes little memory itself, tells what was
//! so, and leaves no process and no file.

use std::fs;
use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::function::sandboxes_can_be_made;
use crate::support::raw_zip::{Part, zip};
use crate::support::{Run, World, names};

/// The most memory that layerfit itself may take, in KiB: what is buffered of a function beside the program.
const MAX_MEMORY_KIB: u64 = 128 << 10;

/// How much longer than its timeout a run takes at most, on a machine with other work.
const MARGIN: Duration = Duration::from_secs(45);

/// What a bootstrap needs besides: connections of its own, and more of the system.
const MORE: &str = r#"
import ctypes, mmap, socket, threading

def connection():
    host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
    return socket.create_connection((host, int(port)))

def begun(line, *headers):
    """A connection on which the beginning of a request was sent."""
    one = connection()
    one.sendall("\r\n".join([line + " HTTP/1.1", "Host: x", *headers, "", ""]).encode())
    return one

def at_once(count, action):
    threads = [threading.Thread(target=action, daemon=True) for _ in range(count)]
    for one in threads: one.start()
    for one in threads: one.join(1)

def fork_all(action):
    """As many processes as are allowed, each with an action, after which it sleeps."""
    count = 0
    try:
        while True:
            if not os.fork():
                action()
                time.sleep(1000)
            count += 1
    except OSError:
        return count

"#;

struct Outcome {
    run: Run,
    peak_kib: u64,
}

/// Runs a bootstrap with this code, and holds what is so of every run.
fn attack(code: &str, timeout: u64, more: &[&str]) -> Outcome {
    let world = World::new();
    world.bootstrap(&format!("{MORE}{code}\n"));
    let temporary = world.beside("temporary");
    fs::create_dir(&temporary).expect("made");
    let seconds = timeout.to_string();
    let arguments = ["invoke", "ROOT", "--handler", "main.handler", "--timeout", &seconds];
    let mut command = world.command(&[&arguments, more].concat());
    let file = |name: &str| File::create(world.beside(name)).expect("made");
    command.env("TMPDIR", &temporary).stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
    let began = Instant::now();
    let mut child = command.spawn().expect("started");
    let mut peak_kib = 0;
    let status = loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let high =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peak_kib = peak_kib.max(high.unwrap_or(0));
        if let Some(status) = child.try_wait().expect("waited") {
            break status;
        }
        if began.elapsed() > Duration::from_secs(timeout) + MARGIN {
            child.kill().expect("killed");
            child.wait().expect("ended");
            panic!("{code}: does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let read = |name: &str| String::from_utf8_lossy(&fs::read(world.beside(name)).expect("read")).into_owned();
    let run = Run { code: status.code().expect("not killed"), stdout: read("stdout"), stderr: read("stderr") };
    assert!(peak_kib < MAX_MEMORY_KIB, "{code}: {peak_kib} KiB");
    assert_eq!(names(&temporary), [""; 0], "{code}");
    // The log is that of the function and of Lambda alone.
    let end = &run.stderr[run.stderr.rfind("\nEND RequestId: ").unwrap_or_else(|| panic!("{code}: no end"))..];
    assert!(end.contains("\nREPORT RequestId: ") && !run.stderr.contains("unshare:"), "{code}: {end}");
    Outcome { run, peak_kib }
}

fn assert_timed_out(outcome: &Outcome, code: &str) {
    let Run { code: exit, stdout, stderr } = &outcome.run;
    assert!(*exit == 1 && stdout.contains("Sandbox.Timedout") && stderr.contains("error X102"), "{code}: {stdout}");
}

#[test]
fn a_log_without_end_ends_with_the_run() {
    if !sandboxes_can_be_made() {
        return;
    }
    let code = "next()\nwhile True: os.write(1, b'y\\n' * 30000)";
    assert_timed_out(&attack(code, 1, &[]), code);
    // No line end at all.
    let code = "next()\nwhile True: os.write(2, b'y' * 60000)";
    assert_timed_out(&attack(code, 1, &[]), code);
    // By processes that the function has left behind, after its answer and after its end.
    for (end, exit) in [("answer(id, 1)\nnext()", 0), ("answer(id, 1)\nsys.exit(0)", 0), ("sys.exit(0)", 1)] {
        let outcome = attack(&format!("id, _ = next()\nfor _ in range(20): subprocess.Popen(['yes'])\n{end}"), 20, &[]);
        assert_eq!(outcome.run.code, exit, "{end}: {:.2000}", outcome.run.stderr);
    }
}

#[test]
fn requests_without_end_take_little_memory() {
    if !sandboxes_can_be_made() {
        return;
    }
    // Bodies that lack their last byte, of a response and of what will be refused.
    let bodies = "
id, _ = next()
def send(path):
    one = begun(f'POST /2018-06-01/runtime/{path}', 'Content-Length: 6291457')
    one.sendall(b'x' * 6291456)
    kept.append(one)
kept = []
at_once(40, lambda: send(f'invocation/{id}/response'))
at_once(40, lambda: send('invocation/other/response'))
time.sleep(100)";
    assert_timed_out(&attack(bodies, 8, &["--memory", "1024"]), bodies);
    // A response without end.
    let endless = "
id, _ = next()
one = begun(f'POST /2018-06-01/runtime/invocation/{id}/response', 'Transfer-Encoding: chunked')
while True: one.sendall(b'100000\\r\\n' + b'x' * 0x100000 + b'\\r\\n')";
    assert_timed_out(&attack(endless, 2, &[]), endless);
    // Headers without end: refused, and the next request is answered.
    let headers = "
id, _ = next()
kept = []
for _ in range(100):
    one = connection()
    one.settimeout(1)
    try: one.sendall(b'GET / HTTP/1.1\\r\\nA: ' + b'x' * 400000)
    except OSError: pass
    kept.append(one)
answer(id, 1)
next()";
    assert_eq!(attack(headers, 60, &[]).run.stdout, "1\n");
    // More connections than are served at once: the function has none left for its answer.
    let many = "
next()
kept = [connection() for _ in range(900)]
serve(lambda event: 1)";
    assert_timed_out(&attack(many, 2, &[]), many);
}

#[test]
fn an_event_is_in_memory_once_however_often_it_is_fetched() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    let event = world.beside("event");
    fs::write(&event, format!("\"{}\"", "e".repeat((6 << 20) - 2))).expect("written");
    let code = "
id, _ = next()
kept = [begun('GET /2018-06-01/runtime/invocation/next') for _ in range(100)]
time.sleep(1)
answer(id, 1)
next()";
    let outcome = attack(code, 60, &["--event", event.to_str().expect("text")]);
    assert_eq!(outcome.run.stdout, "1\n", "{}", outcome.peak_kib);
}

#[test]
fn a_thousand_processes_do_not_keep_a_run_from_ending() {
    if !sandboxes_can_be_made() {
        return;
    }
    // All alike, and with descriptors that may be shared memory.
    let sleepers = "id, _ = next()\nanswer(id, fork_all(lambda: [os.memfd_create('x') for _ in range(200)]))\nnext()";
    let outcome = attack(sleepers, 60, &["--memory", "10240"]);
    let count: u32 = outcome.run.stdout.trim().parse().expect("a number");
    assert!(count > 100, "{count}");
    // Busy, and without end.
    let bomb = "next()\nwhile True:\n    try: os.fork()\n    except OSError: pass";
    let outcome = attack(bomb, 2, &["--memory", "10240"]);
    assert_timed_out(&outcome, bomb);
    // With as many mappings as a process can have, beside an object of shared memory.
    let mappings = "
id, _ = next()
held = os.memfd_create('x')
os.write(held, b'x')
maps = []
try:
    while True: maps.append(mmap.mmap(-1, 4096, prot=mmap.PROT_READ | (len(maps) % 2) * mmap.PROT_WRITE))
except OSError: pass
for _ in range(30):
    if not os.fork(): time.sleep(1000)
answer(id, 1)
next()";
    assert_eq!(attack(mappings, 100, &["--memory", "10240"]).run.stdout, "1\n");
}

#[test]
fn what_a_function_does_to_itself_is_told_as_its_own_failure() {
    if !sandboxes_can_be_made() {
        return;
    }
    let timed_out = "Task timed out after 1.00 seconds";
    for (code, message) in [
        ("next()\nos.kill(os.getpid(), signal.SIGSTOP)", timed_out),
        ("next()\nos.execvp('sleep', ['sleep', '1000'])", timed_out),
        ("next()\nos.close(0); os.close(1); os.close(2)\ntime.sleep(1000)", timed_out),
        (
            "id, _ = next()\nbegun(f'POST /2018-06-01/runtime/invocation/{id}/response', 'Content-Length: 9')\ntime.sleep(1000)",
            timed_out,
        ),
        // Signals to process 1 have no effect; it is alone with that.
        ("next()\nfor number in (9, 15, 19): os.kill(1, number)\ntime.sleep(1000)", timed_out),
        ("next()\nos.kill(-1, signal.SIGKILL)", "exit status 1"),
        ("next()\nos.abort()", "signal: aborted"),
    ] {
        let outcome = attack(code, 1, &[]);
        let Run { code: exit, stdout, stderr } = outcome.run;
        assert!(exit == 1 && stdout.contains(message) && stderr.contains(message), "{code}: {stdout}{stderr}");
    }
    // What cannot be done has no effect on the answer.
    let tried = "
id, _ = next()
def tries(*actions):
    done = []
    for number, action in enumerate(actions):
        try: done += [number] if action() != -1 else []
        except OSError: pass
    return done
libc = ctypes.CDLL(None, use_errno=True)
answer(id, [
    tries(*(lambda path=path: change(path) for path in ('/opt/bootstrap', '/opt', '/var/task', '/etc/passwd', '/dev/null', '/')
            for change in (lambda path: os.chmod(path, 0o777), lambda path: os.chown(path, 993, 990), os.unlink, os.utime,
                           lambda path: os.rename(path, path + 'x'), lambda path: os.setxattr(path, 'user.x', b'1'),
                           lambda path: os.link(path, '/tmp/link')))),
    tries(lambda: libc.ptrace(16, 1, 0, 0), lambda: libc.ptrace(16, os.getppid(), 0, 0), lambda: open('/proc/1/mem', 'r+b'),
          lambda: open('/proc/1/environ').read(), lambda: os.listdir('/proc/1/fd'), lambda: os.readlink('/proc/1/exe')),
    tries(lambda: libc.mount(b'/usr', b'/tmp', None, 4096, None), lambda: libc.umount2(b'/opt', 2), lambda: libc.chroot(b'/tmp'),
          lambda: libc.unshare(0x20000), lambda: libc.setns(os.open('/proc/self/ns/mnt', os.O_RDONLY), 0)),
    [other for other in range(3, 40000) if other != os.getpid() and tries(lambda: os.kill(other, 0))],
])
next()";
    // Only process 1 is there besides, which has two threads.
    assert_eq!(attack(tried, 60, &[]).run.stdout, "[[], [], [], []]\n");
}

#[test]
fn a_root_file_system_of_others_leads_to_no_directory_of_this_machine() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    let source = "#include <dirent.h>\n#include <stdio.h>\nstatic void list(const char *path) {\n\
                  DIR *directory = opendir(path); struct dirent *one;\n\
                  while (directory && (one = readdir(directory))) printf(\"%s/%s \", path, one->d_name); puts(\"\"); }\n\
                  int main(void) { const char *all[] = {\"/etc\", \"/var\", \"/var/task\", \"/opt\", \"/tmp\", \"/dev\", \"/usr\"};\n\
                  for (int i = 0; i < 7; i++) list(all[i]); return 7; }\n";
    world.c("bootstrap", source, &[], &["-static"]).mode("bootstrap", 0o755);
    fs::create_dir(world.beside("private")).expect("made");
    fs::write(world.beside("private/secret"), "secret").expect("written");
    let private = world.beside("private");
    let root = world.beside("root");
    for names in [
        ["etc", "var", "opt", "tmp", "dev", "proc"].as_slice(),
        &["var/task", "etc/resolv.conf", "etc/passwd", "etc/hosts", "usr/x"],
    ] {
        let _ = fs::remove_dir_all(&root);
        for name in names {
            fs::create_dir_all(root.join(name).parent().expect("a directory")).expect("made");
            std::os::unix::fs::symlink(&private, root.join(name)).expect("linked");
        }
        let run = world.invoke(&["--rootfs", "root"]);
        assert!(run.code == 1 && run.stderr.contains("exit status 7"), "{}", run.stderr);
        assert!(run.stderr.contains("/opt/bootstrap") && !run.stderr.contains("secret"), "{}", run.stderr);
        assert_eq!(fs::read_to_string(private.join("secret")).expect("read"), "secret");
    }
    // Files that are no files.
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(root.join("etc")).expect("made");
    for name in ["etc/passwd", "etc/x", "usr", "var"] {
        rustix::fs::mkfifoat(rustix::fs::CWD, root.join(name), rustix::fs::Mode::RUSR).expect("made");
    }
    let run = world.invoke(&["--rootfs", "root"]);
    assert!(run.code == 1 && run.stderr.contains("exit status 7"), "{}", run.stderr);
}

#[test]
fn long_files_of_zips_are_unzipped_in_little_memory() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    let script = Part::stored("bootstrap", "#!/bin/sh\nstat -c %s /opt/a /opt/b\nexit 3\n").mode(0o100_755);
    let files = ["a", "b"].map(|name| Part::deflated(name, vec![0; 120 << 20]));
    // What is damaged is left out, as before.
    let damaged = Part::deflated("damaged", vec![0; 1 << 20]).says(|header| header.crc32 ^= 1);
    let [a, b] = files;
    fs::write(world.beside("layer.zip"), zip(&[script, a, b, damaged])).expect("written");
    let direct = world.command(&["invoke", "layer.zip", "--handler", "a.b"]);
    let mut command = Command::new("sh");
    // Heap, stacks and private mappings, of the function too.
    command.args(["-c", "ulimit -d 150000 && exec \"$@\"", "sh"]).arg(direct.get_program()).args(direct.get_args());
    command.current_dir(world.beside("")).env("RAYON_NUM_THREADS", "2");
    let run = Run::of(command);
    let sizes = format!("{0}\n{0}\n", 120 << 20);
    assert!(run.code == 1 && run.stderr.contains(&sizes), "{}", run.stderr);
    assert!(run.stderr.contains("Z101") && run.stderr.contains("exit status 3"), "{}", run.stderr);
}
