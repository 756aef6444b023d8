//! Progress on stderr, if that is a terminal.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::base::progress::{Progress, Silent};

/// The bar on the terminal: a signal handler has to clear it.
static DRAWN: OnceLock<ProgressBar> = OnceLock::new();

/// Clears the bar, so that later output starts on a new line.
pub(super) fn clear() {
    if let Some(bar) = DRAWN.get() {
        bar.finish_and_clear();
    }
}

/// A bar if stderr is a terminal, unless `quiet`.
pub(super) fn bar(quiet: bool) -> Box<dyn Progress> {
    if quiet || !std::io::stderr().is_terminal() {
        return Box::new(Silent);
    }
    let bar = ProgressBar::new_spinner();
    let _ = DRAWN.set(bar.clone());
    bar.enable_steady_tick(Duration::from_millis(100));
    Box::new(Bar(bar))
}

struct Bar(ProgressBar);

impl Progress for Bar {
    fn stage(&self, name: &'static str, total: u64) {
        let form = if total == 0 {
            "{spinner} {msg}"
        } else {
            "{spinner} {msg} {wide_bar} {binary_bytes} of {binary_total_bytes}"
        };
        if let Ok(style) = ProgressStyle::with_template(form) {
            self.0.set_style(style);
        }
        self.0.set_position(0);
        self.0.set_length(total);
        self.0.set_message(name);
    }

    fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    fn done(&self) {
        self.0.finish_and_clear();
    }
}
