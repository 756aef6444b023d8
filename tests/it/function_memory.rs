//! `layerfit invoke` counts each page of a function's memory once, whichever way processes share it, and counts what no process
//! maps. The functions share theirs in C; each keeps it until it is measured, so nothing depends on the moment of a sample.

use crate::support::function::sandboxes_can_be_made;
use crate::support::{Run, World};

/// `memory KIND`: has 64 MiB, shared in some way; then writes a line and waits for the end of its input.
const MEMORY: &str = r#"
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 64 << 20 };
static char stack[1 << 16];
static int forever(void *ended) { (void)ended; char c; while (read(0, &c, 1) > 0); _exit(0); }
static int briefly(void *none) { (void)none; usleep(300000); _exit(0); }
static void touched(char *at) { memset(at, 1, SIZE); }

int main(int count, char **kind) {
    (void)count;
    if (!strcmp(kind[1], "alone")) {
        touched(malloc(SIZE));
    } else if (!strcmp(kind[1], "vfork")) { /* the child has this memory, and does not start a program yet */
        touched(malloc(SIZE));
        clone(briefly, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, 0);
    } else if (!strcmp(kind[1], "clone")) { /* two processes, one memory */
        touched(malloc(SIZE));
        clone(forever, stack + sizeof stack, CLONE_VM | SIGCHLD, 0);
    } else if (!strcmp(kind[1], "spawn")) {
        touched(malloc(SIZE));
        char *arguments[] = {"true", 0};
        for (int i = 0; i < 200; i++) {
            pid_t child;
            if (!posix_spawnp(&child, "true", 0, 0, arguments, 0)) waitpid(child, 0, 0);
        }
    } else if (!strcmp(kind[1], "fork")) { /* pages of which there is one copy */
        touched(malloc(SIZE));
        for (int i = 0; i < 3; i++) if (!fork()) forever(0);
    } else if (!strcmp(kind[1], "mapping")) {
        char *at = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        for (int i = 0; i < 3; i++) if (!fork()) { touched(at); forever(0); }
        touched(at);
    } else if (!strcmp(kind[1], "twice")) { /* one file in memory, at two addresses */
        int file = memfd_create("x", 0);
        if (ftruncate(file, SIZE)) return 1;
        for (int i = 0; i < 2; i++) touched(mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
    } else if (!strcmp(kind[1], "remapped")) { /* the same, which no name has */
        char *at = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        touched(at);
        touched(mremap(at, 0, SIZE, MREMAP_MAYMOVE));
    } else if (!strcmp(kind[1], "children")) { /* alike in everything, and each has its own */
        int ready[2];
        char c;
        if (pipe(ready)) return 1;
        for (int i = 0; i < 4; i++) if (!fork()) {
            memset(malloc(SIZE / 4), 1, SIZE / 4);
            if (write(ready[1], "x", 1) != 1) return 1;
            forever(0);
        }
        for (int i = 0; i < 4; i++) if (read(ready[0], &c, 1) != 1) return 1;
    }
    puts("ready");
    fflush(stdout);
    return forever(0);
}
"#;

/// Memory that the REPORT line of a run has, in MB.
fn reported(run: &Run) -> u64 {
    let figure = run.stderr.split("Max Memory Used: ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
    figure.unwrap_or_else(|| panic!("{}", run.stderr))
}

/// What the REPORT line has for a function that does this for its event.
fn used(world: &World, code: &str) -> u64 {
    world.bootstrap(&format!(
        "import ctypes\nheld = []\ndef handler(event):\n    {code}\n    return 1\nserve(handler)\n"
    ));
    let run = world.invoke(&["--memory", "1024", "--timeout", "60"]);
    assert_eq!(run.code, 0, "{code}: {}{}", run.stdout, run.stderr);
    reported(&run)
}

#[test]
fn a_page_counts_once() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    // Optimized, it would not write what it does not read.
    world.c("memory", MEMORY, &[], &["-O0"]);
    let nothing = used(&world, "pass");
    for kind in ["alone", "vfork", "clone", "spawn", "fork", "mapping", "twice", "remapped", "children"] {
        let start = format!(
            "held.append(subprocess.Popen(['/opt/memory', '{kind}'], stdin=subprocess.PIPE, stdout=subprocess.PIPE))\n    \
             held[0].stdout.readline()"
        );
        let used = used(&world, &start) - nothing;
        // Beside 64 MiB, little: the program, and the pages of libraries that these processes share with others or no longer do.
        assert!((50..90).contains(&used), "{kind}: {used} MB more than the {nothing} MB of a function without it");
    }
}

#[test]
fn shared_memory_that_nothing_maps_counts() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    let nothing = used(&world, "pass");
    let segment = "libc = ctypes.CDLL(None); id = libc.shmget(0, 64 << 20, 0o1600); libc.shmat.restype = ctypes.c_void_p; \
                   at = libc.shmat(id, None, 0); ctypes.memset(at, 1, 64 << 20)";
    let messages = "libc = ctypes.CDLL(None); held.append(ctypes.create_string_buffer(b'\\x01' + bytes(8191)));\n    \
                    for queue in range(4096):\n        \
                        id = libc.msgget(0, 0o1600); libc.msgsnd(id, held[0], 8184, 0); libc.msgsnd(id, held[0], 8184, 0)";
    for (kind, code) in [
        ("messages", messages.to_owned()),
        ("memfd", "held.append(os.memfd_create('x')); os.write(held[0], b'x' * (64 << 20))".to_owned()),
        ("a segment", segment.to_owned()),
        ("a segment that was detached", format!("{segment}; libc.shmdt(ctypes.c_void_p(at))")),
    ] {
        let used = used(&world, &code) - nothing;
        // Python has the bytes for the memfd itself at one time.
        assert!((50..150).contains(&used), "{kind}: {used} MB");
    }
    // More than the limit of the function ends it.
    world.bootstrap("id, event = next()\nheld = os.memfd_create('x')\nfor n in range(200): os.write(held, b'x' * (1 << 20))\ntime.sleep(60)\n");
    let run = world.invoke(&["--timeout", "30"]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("error X103"), "{}", run.stderr);
    // Files in /tmp are on a disk in Lambda.
    let file = used(&world, "open('/tmp/x', 'wb').write(bytes(64 << 20))");
    assert!(file - nothing < 80, "{file}");
}

#[test]
fn a_response_counts_when_the_function_then_runs_out_of_time() {
    if !sandboxes_can_be_made() {
        return;
    }
    let world = World::new();
    world.bootstrap("id, event = next()\nanswer(id, 7)\ntime.sleep(60)\n");
    let run = world.invoke(&["--timeout", "1", "--repeat", "2"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "7\n7\n"), "{}", run.stderr);
    assert_eq!(run.stderr.matches("Task timed out after 1.00 seconds").count(), 2, "{}", run.stderr);
}
