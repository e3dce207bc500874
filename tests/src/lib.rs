//! End-to-end tests on real Node.js processes: what they share.
