//! A certificate of a test's own for this machine, which nobody else signed.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Makes one in this directory: the certificate's file, and its key's.
pub fn make(directory: &Path) -> (PathBuf, PathBuf) {
    let (certificate, key) = (directory.join("certificate.pem"), directory.join("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .stderr(Stdio::null())
        .status()
        .expect("this test needs `openssl` (Debian: `apt-get install openssl`)");
    assert!(made.success(), "openssl makes a certificate");
    (certificate, key)
}
