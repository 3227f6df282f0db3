//! What is logged on the thread of a test.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing::{Dispatch, Level, subscriber::DefaultGuard};
use tracing_subscriber::fmt::{MakeWriter, format::FmtSpan};

/// Clones share the text.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

/// Ends the logging when it is dropped.
#[derive(Debug)]
pub struct Logging {
    _this_thread: DefaultGuard,
    /// With a single subscriber, tracing asks the thread that is first at a callsite for its own: a test beside this one,
    /// which has none, would switch that callsite off for good.
    _another: Dispatch,
}

impl Log {
    /// From now on everything of this level and above goes here.
    pub fn begin(level: Level) -> (Self, Logging) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        let another = Dispatch::new(tracing_subscriber::registry());
        (log, Logging { _this_thread: tracing::subscriber::set_default(subscriber), _another: another })
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("a log")).into_owned()
    }

    /// How many lines say this.
    pub fn lines(&self, saying: &str) -> usize {
        self.text().lines().filter(|line| line.contains(saying)).count()
    }

    pub fn add(&self, text: impl AsRef<str>) {
        self.0.lock().expect("a log").extend_from_slice(text.as_ref().as_bytes());
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("a log").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
