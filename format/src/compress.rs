//! Compression of memory chunks on several threads, results in the order in which the chunks went
//! in.
//!
//! Compressing is what a capture spends its time on once the process runs again: at level 1 one
//! core does some 500 MB/s of heap. The number of chunks under way is bounded, hence so is memory.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use zstd::bulk::Compressor;

/// A memory chunk on its way to the compressor; the buffers come back to be used again.
#[derive(Debug, Default)]
pub(crate) struct Job {
    pub(crate) addr: u64,
    pub(crate) raw: Vec<u8>,
    /// Bytes that were compressed.
    pub(crate) raw_len: u64,
    /// One zstd frame, after compression.
    pub(crate) stored: Vec<u8>,
    /// CRC-32 of `stored`.
    pub(crate) crc: u32,
}

/// One compressor with the settings of this format: content size and XXH64 in the frame, so that
/// `zstd -t` checks it.
pub(crate) fn compressor(level: i32) -> io::Result<Compressor<'static>> {
    let mut compressor = Compressor::new(level)?;
    compressor.include_checksum(true)?;
    compressor.include_contentsize(true)?;
    Ok(compressor)
}

/// Compresses `raw` into `stored`.
pub(crate) fn compress(
    compressor: &mut Compressor<'_>,
    raw: &[u8],
    stored: &mut Vec<u8>,
) -> io::Result<()> {
    stored.clear();
    stored.reserve(zstd::zstd_safe::compress_bound(raw.len()));
    compressor.compress_to_buffer(raw, stored)?;
    Ok(())
}

fn run(compressor: &mut Compressor<'_>, job: &mut Job) -> io::Result<()> {
    compress(compressor, &job.raw, &mut job.stored)?;
    job.raw_len = job.raw.len() as u64;
    job.crc = crc32fast::hash(&job.stored);
    Ok(())
}

/// An ordered queue of compressions.
pub(crate) enum Queue {
    /// On the caller's thread.
    Inline(Box<Compressor<'static>>),
    /// On threads of its own.
    Pool(Pool),
}

impl Queue {
    /// A queue with `threads` workers; with one, the caller's thread does the work.
    pub(crate) fn new(level: i32, threads: usize) -> io::Result<Self> {
        if threads > 1
            && let Some(pool) = Pool::new(level, threads)?
        {
            return Ok(Self::Pool(pool));
        }
        Ok(Self::Inline(Box::new(compressor(level)?)))
    }

    /// Puts a job in, and gives back the oldest one if the queue is full (then it is compressed).
    pub(crate) fn push(&mut self, mut job: Job) -> io::Result<Option<Job>> {
        match self {
            Self::Inline(compressor) => run(compressor, &mut job).map(|()| Some(job)),
            Self::Pool(pool) => pool.push(job),
        }
    }

    /// Puts a job in that is compressed already; otherwise as [`Queue::push`].
    pub(crate) fn pass(&mut self, job: Job) -> io::Result<Option<Job>> {
        match self {
            Self::Inline(_) => Ok(Some(job)),
            Self::Pool(pool) => {
                pool.finished.insert(pool.next_in, Ok(job));
                pool.admit()
            }
        }
    }

    /// Takes the oldest job out, compressed; `None` if the queue is empty.
    pub(crate) fn pop(&mut self) -> io::Result<Option<Job>> {
        match self {
            Self::Inline(_) => Ok(None),
            Self::Pool(pool) => pool.pop(),
        }
    }
}

/// Worker threads, and what they have under way.
pub(crate) struct Pool {
    /// `None` only while dropping.
    jobs: Option<Sender<(u64, Job)>>,
    results: Receiver<(u64, io::Result<Job>)>,
    /// Finished out of order.
    finished: BTreeMap<u64, io::Result<Job>>,
    /// Number of the next job to go in.
    next_in: u64,
    /// Number of the next job to come out.
    next_out: u64,
    capacity: u64,
    workers: Vec<JoinHandle<()>>,
}

impl Pool {
    /// `None` if the system gives no threads, as in a container whose number of tasks is limited.
    fn new(level: i32, threads: usize) -> io::Result<Option<Self>> {
        let (jobs, queue) = channel::<(u64, Job)>();
        let queue = Arc::new(Mutex::new(queue));
        let (report, results) = channel();
        let mut workers = Vec::with_capacity(threads);
        for _ in 0..threads {
            let mut compressor = compressor(level)?;
            let (queue, report) = (Arc::clone(&queue), report.clone());
            let work = move || {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((number, mut job)) = next else { break };
                    let result = run(&mut compressor, &mut job).map(|()| job);
                    if report.send((number, result)).is_err() {
                        break;
                    }
                }
            };
            let thread = std::thread::Builder::new().name("v8mini-zstd".to_owned());
            match thread.spawn(work) {
                Ok(worker) => workers.push(worker),
                Err(_) => break,
            }
        }
        if workers.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            jobs: Some(jobs),
            results,
            finished: BTreeMap::new(),
            next_in: 0,
            next_out: 0,
            // One at work and one waiting per thread keep all busy while the caller writes.
            capacity: 2 * workers.len() as u64 + 1,
            workers,
        }))
    }

    fn push(&mut self, job: Job) -> io::Result<Option<Job>> {
        let jobs = self.jobs.as_ref().ok_or_else(workers_ended)?;
        jobs.send((self.next_in, job))
            .map_err(|_| workers_ended())?;
        self.admit()
    }

    /// Counts a job that went in, and takes one out if that is one too many.
    fn admit(&mut self) -> io::Result<Option<Job>> {
        self.next_in += 1;
        if self.next_in - self.next_out >= self.capacity {
            self.pop()
        } else {
            Ok(None)
        }
    }

    fn pop(&mut self) -> io::Result<Option<Job>> {
        if self.next_out == self.next_in {
            return Ok(None);
        }
        loop {
            if let Some(result) = self.finished.remove(&self.next_out) {
                self.next_out += 1;
                return result.map(Some);
            }
            let (number, result) = self.results.recv().map_err(|_| workers_ended())?;
            self.finished.insert(number, result);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // Closing the queue is the workers' sign to end.
        drop(self.jobs.take());
        for worker in self.workers.drain(..) {
            // A worker that panicked has nothing more to say than that.
            let _ = worker.join();
        }
    }
}

fn workers_ended() -> io::Error {
    io::Error::other("the compression threads ended early")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(threads: usize) {
        let mut queue = Queue::new(1, threads).unwrap();
        let mut out = Vec::new();
        for i in 0..50_u64 {
            // Sizes that differ wildly make the workers finish out of order.
            let raw = vec![i as u8; if i % 7 == 0 { 200_000 } else { 10 }];
            let mut job = Job {
                addr: i,
                raw,
                ..Job::default()
            };
            // Some come compressed, and must not overtake the others.
            out.extend(if i % 5 == 3 {
                run(&mut compressor(1).unwrap(), &mut job).unwrap();
                queue.pass(job).unwrap()
            } else {
                queue.push(job).unwrap()
            });
        }
        while let Some(job) = queue.pop().unwrap() {
            out.push(job);
        }
        assert_eq!(
            out.iter().map(|job| job.addr).collect::<Vec<_>>(),
            (0..50).collect::<Vec<_>>()
        );
        for job in out {
            assert_eq!(
                zstd::bulk::decompress(&job.stored, 200_000).unwrap(),
                job.raw
            );
            assert_eq!(job.crc, crc32fast::hash(&job.stored));
        }
    }

    #[test]
    fn order_is_kept_on_one_thread() {
        through(1);
    }

    #[test]
    fn order_is_kept_on_many_threads() {
        through(4);
    }

    #[test]
    fn a_dropped_queue_ends_its_threads() {
        let mut queue = Queue::new(1, 3).unwrap();
        for _ in 0..5 {
            queue
                .push(Job {
                    raw: vec![1; 100_000],
                    ..Job::default()
                })
                .unwrap();
        }
        drop(queue);
    }
}
