//! Clients of a service: they measure how long each request takes, from outside.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use v8mini_tests::http::Connection;

/// Connections that are open at the same time.
const CONNECTIONS: usize = 4;
/// How long a client waits before its next request.
const THINKING: Duration = Duration::from_millis(4);

#[derive(Default)]
struct Shared {
    /// Milliseconds.
    latencies: Mutex<Vec<f64>>,
    failure: Mutex<Option<String>>,
    stop: AtomicBool,
}

/// Clients that go on until this is dropped.
pub(super) struct Clients {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    pub(super) fn start(port: u16) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut threads = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut connection = Connection::open(port)?;
            let shared = Arc::clone(&shared);
            threads.push(thread::spawn(move || {
                if let Err(error) = visit(&mut connection, &shared) {
                    *lock(&shared.failure) = Some(format!("{error:#}"));
                }
            }));
        }
        Ok(Self { shared, threads })
    }

    /// The latencies since the last call, sorted, in milliseconds.
    ///
    /// # Errors
    /// If a request failed.
    pub(super) fn take(&self) -> Result<Vec<f64>> {
        if let Some(failure) = lock(&self.shared.failure).as_ref() {
            bail!("a request failed: {failure}");
        }
        let mut latencies = std::mem::take(&mut *lock(&self.shared.latencies));
        latencies.sort_by(f64::total_cmp);
        Ok(latencies)
    }
}

fn visit(connection: &mut Connection, shared: &Shared) -> Result<()> {
    while !shared.stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        connection.get("/session")?;
        let latency = start.elapsed();
        lock(&shared.latencies).push(latency.as_secs_f64() * 1e3);
        thread::sleep(THINKING);
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A client that panicked has nothing more to say.
            let _ended = thread.join();
        }
    }
}
